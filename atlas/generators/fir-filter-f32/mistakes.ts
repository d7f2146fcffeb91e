import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const launched = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const refused: readonly Mistake[] = [
  {
    id: "vector-product",
    template: "quad-direct",
    idea: "multiply whole vectors",
    expect: "compile_error",
    options: { quads: 1, order: "outputs", edge: "select" },
    edit: replacing(/acc\.x \+= [^;]+;/, "acc += t * before;"),
  },
  {
    id: "missing-pipeline-header",
    template: "async-stream",
    idea: "copy asynchronously",
    expect: "compile_error",
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "shuffle-without-mask",
    template: "warp-shuffle",
    idea: "shuffle with the whole warp",
    expect: "compile_error",
    options: { shift: "select" },
    edit: replacing("__shfl_sync(FULL, give, (lane - k) & 31)", "__shfl_sync(give, (lane - k) & 31)"),
  },
  {
    id: "too-many-stages",
    template: "async-stream",
    idea: "a deep ring of stages",
    expect: "launch_error",
    options: { history: "slot", block: 256, vectors: "pair", stages: 4, steps: 8 },
    edit: (draft) =>
      launched(replacing("#define STAGES 4", "#define STAGES 32")(draft), { smemBytes: 32 * 4 * (2048 + 96) }),
  },
  {
    id: "block-too-large",
    template: "output-per-thread",
    idea: "larger blocks",
    expect: "launch_error",
    options: { map: "flat", block: 512 },
    edit: (draft) => launched(draft, { block: [2048, 1, 1] }),
  },
  {
    id: "channel-offset-twice",
    template: "output-per-thread",
    idea: "advance by the channel",
    expect: "launch_error",
    options: { map: "grid", sizes: "args", guard: "bound" },
    edit: replacing("x + (size_t)channel * n", "x + (size_t)channel * n * n"),
  },
  {
    id: "flag-never-set",
    template: "tap-split",
    idea: "wait until the parts are written",
    expect: "timeout",
    options: { way: "scratch", vector: false },
    edit: replacing(
      "float s = 0.0f;",
      "const volatile float* ready = scratch;\n    while (*ready != 1.0f) {\n    }\n    float s = 0.0f;",
    ),
  },
];

const wrong: readonly Mistake[] = [
  {
    id: "no-barrier-after-fill",
    template: "sample-tile",
    idea: "drop the barrier after the fill",
    expect: "incorrect",
    options: { fill: "linear", block: 512, outputs: 4, accumulate: "inner-outputs" },
    edit: replacing("__syncthreads();\n", ""),
  },
  {
    id: "history-of-zeros",
    template: "sample-tile",
    idea: "start every tile with an empty history",
    expect: "incorrect",
    options: { fill: "parts" },
    edit: replacing("start > 0 ? row[start - TAPS + threadIdx.x] : 0.0f", "0.0f"),
  },
  {
    id: "half-tile",
    template: "sample-tile",
    idea: "keep the tile in half precision",
    expect: "incorrect",
    options: { fill: "linear", memory: "static", taps: "shared", accumulate: "inner-outputs" },
    edit: (draft) => {
      const typed = replacing("__shared__ __align__(16) float tile", "__shared__ __half tile")(draft);
      const read = replacing(/c \* (tile\[[^\]]+\])/, "c * __half2float($1)")(typed);
      return { ...read, source: `#include <cuda_fp16.h>\n\n${read.source}` };
    },
  },
  {
    id: "taps-turned",
    template: "shared-taps",
    idea: "store the taps backwards",
    expect: "incorrect",
    options: { order: "forward", copy: "loop" },
    edit: replacing("weights[t] = h[t]", "weights[t] = h[TAPS - 1 - t]"),
  },
  {
    id: "channel-stride",
    template: "shared-taps",
    idea: "walk over the channels by the grid",
    expect: "incorrect",
    options: { channelsPer: "loop", outputs: 4, block: 128 },
    edit: replacing("channel += gridDim.y", "channel += gridDim.x"),
  },
  {
    id: "last-group-dropped",
    template: "quad-direct",
    idea: "stop before the last group of taps",
    expect: "incorrect",
    options: { edge: "select" },
    edit: replacing("k < GROUPS; ++k", "k < GROUPS - 1; ++k"),
  },
  {
    id: "half-of-the-grid",
    template: "quad-direct",
    idea: "fewer blocks",
    expect: "incorrect",
    options: { quads: 2, block: 256, edge: "select" },
    edit: (draft) => launched(draft, { grid: [16, 256, 1] }),
  },
  {
    id: "circular-window",
    template: "warp-shuffle",
    idea: "shift the window within the warp",
    expect: "incorrect",
    options: { shift: "select" },
    edit: replacing("lane < 32 - k ? past[p] : past[p + 1]", "past[p]"),
  },
  {
    id: "window-slot",
    template: "strip-per-thread",
    idea: "put the next sample into the slot of the tap",
    expect: "incorrect",
    options: { window: "ring" },
    edit: replacing("win[STRIP - 1 - kk] =", "win[kk] =", true),
  },
  {
    id: "window-not-skewed",
    template: "tile-windows",
    idea: "skew the tile only where it is filled",
    expect: "incorrect",
    options: { skew: true, read: "scalar", taps: "global" },
    edit: replacing(/tile\[place\((TAPS \+ RUN \* threadIdx\.x - 1 - k - kk)\)\]/, "tile[$1]"),
  },
  {
    id: "channels-overlap",
    template: "channel-groups",
    idea: "one channel after the other",
    expect: "incorrect",
    edit: replacing("blockIdx.y * GROUP;", "blockIdx.y;"),
  },
  {
    id: "sums-not-cleared",
    template: "tap-split",
    idea: "add without clearing first",
    expect: "incorrect",
    options: { way: "atomic", vector: false },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "clear") }),
  },
  {
    id: "lanes-half-summed",
    template: "tap-split",
    idea: "one shuffle less",
    expect: "incorrect",
    options: { way: "lanes", vector: false, parts: 4 },
    edit: replacing("int offset = PARTS / 2;", "int offset = PARTS / 4;"),
  },
];

export const mistakes: readonly Mistake[] = [...refused, ...wrong];
