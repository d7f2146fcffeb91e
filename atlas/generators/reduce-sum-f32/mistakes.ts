import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const withLaunches = (
  draft: KernelDraft,
  change: Partial<KernelDraft["launches"][number]>,
  kernel: string,
): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => (entry.kernel === kernel ? { ...entry, ...change } : entry)),
});

export const mistakes: readonly Mistake[] = [
  {
    id: "undeclared-index",
    template: "tree",
    idea: "use a local index for the thread",
    expect: "compile_error",
    options: { items: "one", order: "sequential" },
    edit: replacing("int tid = threadIdx.x;", "int thread = threadIdx.x;"),
  },
  {
    id: "old-shuffle",
    template: "grid-stride",
    idea: "reduce warps with plain shuffles",
    expect: "compile_error",
    edit: replacing(/__shfl_down_sync\(0xffffffffu, v, offset\)/, "__shfl_down(v, offset)"),
  },
  {
    id: "vector-into-scalar",
    template: "stream",
    idea: "add whole vectors",
    expect: "compile_error",
    options: { sums: "scalar" },
    edit: replacing("sum += (now[u].x + now[u].y) + (now[u].z + now[u].w);", "sum += now[u];"),
  },
  {
    id: "ring-too-large",
    template: "async-stages",
    idea: "more stages in the ring",
    expect: "launch_error",
    options: { dynamic: true, chunk: 4, block: 512, waves: 1, stages: 6 },
    edit: (draft) =>
      withLaunches(
        replacing("#define STAGES 6", "#define STAGES 8")(draft),
        { smemBytes: 8 * 4 * 512 * 16 },
        "staged_sum",
      ),
  },
  {
    id: "block-too-large",
    template: "grid-stride",
    idea: "larger blocks",
    expect: "launch_error",
    options: { block: 1024, finish: "atomic" },
    edit: (draft) =>
      withLaunches(
        replacing("#define BLOCK 1024", "#define BLOCK 2048")(draft),
        { block: [2048, 1, 1] },
        "reduceStrided",
      ),
  },
  {
    id: "stride-twice",
    template: "chunk-per-thread",
    idea: "interleave the chunks of a block",
    expect: "launch_error",
    options: { chunk: 1024, block: 128 },
    edit: replacing("* kChunk;", "* kChunk * kThreads;"),
  },
  {
    id: "waits-for-ever",
    template: "stream",
    idea: "let the first block wait for the others and combine",
    expect: "timeout",
    options: { finish: "last" },
    edit: replacing(
      "isLast = atomicInc(&blocksDone, gridDim.x - 1) == gridDim.x - 1;",
      "atomicAdd(&blocksDone, 1u);\n        while (atomicAdd(&blocksDone, 0u) <= gridDim.x) {\n        }\n        isLast = blockIdx.x == 0;",
    ),
  },
  {
    id: "never-cleared",
    template: "tree",
    idea: "one launch only",
    expect: "incorrect",
    options: { finish: "atomic" },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(1) }),
  },
  {
    id: "overlapping-neighbours",
    template: "passes",
    idea: "simplify the index",
    expect: "incorrect",
    options: { layout: "neighbours", unroll: "none", unit: "block", factor: 8 },
    edit: replacing(/first \+ lane \* FACTOR \+ k/g, "first + lane + k", true),
  },
  {
    id: "same-rows",
    template: "columns",
    idea: "start each column at its top",
    expect: "incorrect",
    options: { pointer: true, splits: 8, width: 16384 },
    edit: replacing("cells + blockIdx.y * (ROWS * PITCH) + column", "cells + column"),
  },
  {
    id: "step-without-group",
    template: "precise",
    idea: "step by the grid's threads",
    expect: "incorrect",
    options: { batch: "four" },
    edit: replacing("gridDim.x * BLOCK * 4", "gridDim.x * BLOCK"),
  },
  {
    id: "overlapping-tiles",
    template: "register-tile",
    idea: "shorter tile offsets",
    expect: "incorrect",
    options: { items: 8 },
    edit: replacing("(size_t)blockIdx.x * (BLOCK * ITEMS)", "(size_t)blockIdx.x * BLOCK"),
  },
];
