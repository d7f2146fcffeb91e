import type { KernelDraft, Mistake } from "../kit/generator.ts";

function swap(draft: KernelDraft, from: string, to: string): KernelDraft {
  if (!draft.source.includes(from)) throw new Error(`no "${from}" in the drawn source`);
  return { ...draft, source: draft.source.replaceAll(from, to) };
}

export const mistakes: readonly Mistake[] = [
  {
    id: "no-column-lane",
    template: "implicit-gemm",
    expect: "compile_error",
    idea: "Fold the thread's column into the loops",
    edit: (draft) => swap(draft, "  const int tx = tid % (BN / TN);\n", ""),
  },
  {
    id: "no-half-tile",
    template: "winograd",
    expect: "compile_error",
    idea: "Transform the tile in place",
    edit: (draft) => swap(draft, "float d[4][4], t[4][4];", "float d[4][4];"),
  },
  {
    id: "no-include",
    template: "input-tile",
    expect: "compile_error",
    idea: "Tidy the includes of the tile kernel",
    options: { async: true },
    edit: (draft) => swap(draft, "#include <cuda_pipeline.h>\n\n", ""),
  },
  {
    id: "all-channels",
    template: "input-tile",
    expect: "launch_error",
    idea: "Stage all channels at once",
    options: { async: true, channels: 64, tile: "7x8x8x8x4" },
    edit: (draft) => draft,
  },
  {
    id: "many-rows",
    template: "filter-lanes",
    expect: "launch_error",
    idea: "Cover more of a row per block",
    options: { rows: 32, bounds: false, run: 1 },
    edit: (draft) => draft,
  },
  {
    id: "wide-index",
    template: "output-per-thread",
    expect: "incorrect",
    idea: "Index the output in 64 bits",
    edit: (draft) =>
      swap(draft, "out[((n * K + f) * H + y) * W + z]", "out[((size_t)(n * K + f) * H * W + y * W + z) * H * W]"),
  },
  {
    id: "zero-step",
    template: "implicit-gemm",
    expect: "timeout",
    idea: "Share each step's depth among the threads",
    options: { prefetch: false },
    edit: (draft) => swap(draft, "k0 += BK)", "k0 += BK / THREADS)"),
  },
  {
    id: "no-barrier",
    template: "input-tile",
    expect: "incorrect",
    idea: "Drop the barriers around the staged tile",
    options: { async: false, tile: "7x8x4x8x8" },
    edit: (draft) => swap(draft, "    __syncthreads();\n", ""),
  },
  {
    id: "wrong-sign",
    template: "winograd",
    expect: "incorrect",
    idea: "Simplify the input transform",
    edit: (draft) => swap(draft, "t[1][s] = d[1][s] + d[2][s];", "t[1][s] = d[1][s] - d[2][s];"),
  },
  {
    id: "no-clear",
    template: "channel-groups",
    expect: "incorrect",
    idea: "Leave out the clearing launch",
    options: { combine: "atomic" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter((launch) => launch.kernel !== "clear") }),
  },
  {
    id: "flipped-window",
    template: "filter-block",
    expect: "incorrect",
    idea: "Walk the window from its far corner",
    options: { axis: "along-row" },
    edit: (draft) => swap(draft, "in[t / 3][p + t % 3]", "in[2 - t / 3][p + 2 - t % 3]"),
  },
];
