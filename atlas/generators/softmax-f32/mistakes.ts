import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const withLaunch = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

export const mistakes: readonly Mistake[] = [
  {
    id: "shuffle-without-mask",
    template: "warp-per-row",
    idea: "shuffle down with fewer arguments",
    expect: "compile_error",
    options: { shuffle: "xor" },
    edit: replacing("__shfl_xor_sync(0xffffffffu, v, offset)", "__shfl_xor_sync(v, offset)", true),
  },
  {
    id: "maximum-of-a-vector",
    template: "shared-row",
    idea: "take the maximum of whole vectors",
    expect: "compile_error",
    options: { keep: "inputs", vector: true, copy: "registers", fusedMax: true },
    edit: replacing("peak = fmaxf(peak, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));", "peak = fmaxf(peak, v);"),
  },
  {
    id: "missing-header",
    template: "row-pipeline",
    idea: "fetch rows asynchronously",
    expect: "compile_error",
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "ring-too-large",
    template: "row-pipeline",
    idea: "a deeper ring",
    expect: "launch_error",
    options: { stages: 4, perSm: 1, block: 512, work: "registers" },
    edit: (draft) => withLaunch(replacing("#define STAGES 4", "#define STAGES 8")(draft), { smemBytes: 8 * 32768 }),
  },
  {
    id: "block-too-large",
    template: "block-per-row",
    idea: "larger blocks",
    expect: "launch_error",
    options: { block: 1024, reduce: "first-warp", contiguous: false },
    edit: (draft) => withLaunch(replacing("BLOCK = 1024", "BLOCK = 2048")(draft), { block: [2048, 1, 1] }),
  },
  {
    id: "row-offset-by-matrix",
    template: "thread-per-row",
    idea: "advance by the matrix",
    expect: "launch_error",
    edit: replacing(/\(size_t\)row \* cols/g, "(size_t)row * rows * cols", true),
  },
  {
    id: "flag-never-set",
    template: "split-row",
    idea: "wait for the row's flag before writing",
    expect: "timeout",
    options: { combine: "writer", write: "same-grid", splits: 8 },
    edit: replacing(
      "float peak = -3.0e38f, total = 0.0f;\n",
      "const volatile float* ready = stats + 79 * ROWS + row;\n  while (*ready != 1.0f) {\n  }\n  float peak = -3.0e38f, total = 0.0f;\n",
    ),
  },
  {
    id: "parts-not-rescaled",
    template: "split-row",
    idea: "add the sums of the parts",
    expect: "incorrect",
    options: { combine: "launch", splits: 16, interleaved: true, exp: "fast" },
    edit: replacing(
      "total += stats[2 * (row * SPLITS + s) + 1] * __expf(stats[2 * (row * SPLITS + s)] - peak);",
      "total += stats[2 * (row * SPLITS + s) + 1];",
    ),
  },
  {
    id: "no-maximum",
    template: "block-per-row",
    idea: "skip the pass for the maximum",
    expect: "incorrect",
    options: { passes: "three", exp: "fast" },
    edit: replacing("peak = block_max<BLOCK>(peak);", "peak = 0.0f;"),
  },
  {
    id: "sums-not-cleared",
    template: "launch-per-step",
    idea: "three launches only",
    expect: "incorrect",
    options: { sums: "atomic", maxima: "block" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "prepare") }),
  },
  {
    id: "sum-of-one-warp",
    template: "register-row",
    idea: "a shuffle for the sum",
    expect: "incorrect",
    options: { reduce: "every-warp" },
    edit: replacing("1.0f / blockSum<BLOCK>(sum)", "1.0f / warpSum(sum)"),
  },
  {
    id: "sum-not-rescaled",
    template: "online-block",
    idea: "keep the sum when the maximum moves",
    expect: "incorrect",
    options: { update: "branch", exp: "fast" },
    edit: replacing(/mine\.sum \*= __expf\(mine\.top - v\.\w\);/g, "", true),
  },
];
