import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

const resized = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const refused: readonly Mistake[] = [
  {
    id: "taps-sized-at-run-time",
    template: "marching-columns",
    idea: "pass the radius as an argument of the source",
    expect: "compile_error",
    options: { macros: false },
    edit: replacing(/static constexpr int R = \d+;/, "extern __constant__ int R;"),
  },
  {
    id: "renamed-middle",
    template: "fused-tile",
    idea: "rename the buffer between the passes",
    expect: "compile_error",
    options: { memory: "static", tile: "32x32" },
    edit: replacing("__shared__ float middle[", "__shared__ float half_done["),
  },
  {
    id: "vector-sum",
    template: "register-runs",
    idea: "hold the pending sums of four columns in one array",
    expect: "compile_error",
    options: { width: "float4" },
    edit: replacing("float4 total[DEEP];", "float total[DEEP];"),
  },
  {
    id: "wide-block",
    template: "window-tile",
    idea: "a tile of 64x32 with one thread per output",
    expect: "launch_error",
    options: { outputs: "one", tile: "32x32" },
    edit: (draft) => resized(replacing("#define TX 32", "#define TX 64")(draft), { block: [64, 32, 1] }),
  },
  {
    id: "tall-tile",
    template: "fused-runs",
    idea: "a much taller tile",
    expect: "launch_error",
    options: { tile: "64x128", pitch: "even", reuse: "second-buffer" },
    edit: (draft) => resized(replacing("TY = 128", "TY = 512")(draft), { smemBytes: 4 * 544 * 160 }),
  },
  {
    id: "static-overflow",
    template: "fused-tile",
    idea: "declare the larger tile statically",
    expect: "compile_error",
    options: { memory: "static", tile: "64x32" },
    edit: replacing("#define TY 32", "#define TY 512"),
  },
  {
    id: "byte-offsets",
    template: "two-passes",
    idea: "advance the row pointer by bytes",
    expect: "launch_error",
    options: { border: "clamp" },
    edit: replacing("from + y * W", "from + (size_t)y * W * sizeof(float) * W"),
  },
  {
    id: "stalled-march",
    template: "fused-march",
    idea: "advance by the part of the filter that is left",
    expect: "timeout",
    options: { state: "rotating-sums" },
    edit: replacing("base += TAPS", "base += TAPS - 2 * R - 1"),
  },
];

const wrong: readonly Mistake[] = [
  {
    id: "window-without-last",
    template: "whole-window",
    idea: "loop to the radius",
    expect: "incorrect",
    options: { border: "each" },
    edit: replacing("dx <= R", "dx < R", true),
  },
  {
    id: "wrapped-border",
    template: "whole-window",
    idea: "rely on the neighbouring rows at the border",
    expect: "incorrect",
    options: { border: "each", mapping: "square" },
    edit: replacing("min(max(x + dx, 0), W - 1)", "(x + dx)", true),
  },
  {
    id: "half-rim",
    template: "window-tile",
    idea: "stage the rim on the left and above",
    expect: "incorrect",
    options: { fill: "linear", extra: "none" },
    edit: replacing("i < (TX + 2 * R) * (TY + 2 * R)", "i < (TX + 2 * R) * (TY + R)"),
  },
  {
    id: "same-direction",
    template: "two-passes",
    idea: "one kernel for both passes",
    expect: "incorrect",
    options: { order: "rows-first" },
    edit: (draft) => ({
      ...draft,
      launches: draft.launches.map((entry, index) =>
        index === 0 ? entry : { ...(draft.launches[0] as typeof entry), args: entry.args },
      ),
    }),
  },
  {
    id: "passes-swapped",
    template: "staged-passes",
    idea: "launch the column pass first",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
  {
    id: "middle-twice",
    template: "two-passes",
    idea: "start the folded sum at the middle",
    expect: "incorrect",
    options: { folded: true, taps: "cached", border: "clamp" },
    edit: replacing("int k = 1; k <= R", "int k = 0; k <= R", true),
  },
  {
    id: "second-transpose-dropped",
    template: "transposing-passes",
    idea: "write the second pass as it is read",
    expect: "incorrect",
    options: { turn: "scattered", outputs: "one", sizes: "arguments" },
    edit: replacing("(x0 + b) * height + y0 + a", "(y0 + a) * width + x0 + b"),
  },
  {
    id: "march-overlap",
    template: "marching-columns",
    idea: "start the march at the first output row",
    expect: "incorrect",
    options: { turn: "shift" },
    edit: replacing("int i = y0 - R; i < end + R", "int i = y0; i < end + R"),
  },
  {
    id: "sum-kept",
    template: "marching-columns",
    idea: "reuse the finished sum's register",
    expect: "incorrect",
    options: { state: "sums", turn: "rotate" },
    edit: replacing("pending[(j + 0) % TAPS] = 0.0f;", ""),
  },
  {
    id: "no-barrier-between-passes",
    template: "fused-tile",
    idea: "go on to the columns as soon as the rows are done",
    expect: "incorrect",
    options: { taps: "cached", order: "rows-first", tile: "64x32", threads: 512 },
    edit: (draft) => {
      const at = draft.source.lastIndexOf("__syncthreads();");
      return { ...draft, source: draft.source.slice(0, at) + draft.source.slice(at + "__syncthreads();".length) };
    },
  },
  {
    id: "run-not-advanced",
    template: "fused-runs",
    idea: "address the tile by runs",
    expect: "incorrect",
    options: { lanes: "along-row" },
    edit: replacing("t % (TX / RUN) * RUN", "t % (TX / RUN)", true),
  },
  {
    id: "ring-of-radius",
    template: "fused-march",
    idea: "keep two radii of rows in the ring",
    expect: "incorrect",
    options: { state: "ring" },
    edit: replacing("ring[(i - y0 + R) % TAPS]", "ring[(i - y0 + R) % (TAPS - 1)]"),
  },
  {
    id: "scratch-not-cleared",
    template: "tap-launches",
    idea: "leave out the launches that clear",
    expect: "incorrect",
    options: { clear: "kernel" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "clear_image") }),
  },
];

export const mistakes: readonly Mistake[] = [...refused, ...wrong];
