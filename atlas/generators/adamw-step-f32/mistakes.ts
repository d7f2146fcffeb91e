import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const relaunched =
  (change: Partial<KernelDraft["launches"][number]>): Mistake["edit"] =>
  (draft) => ({
    ...draft,
    launches: draft.launches.map((entry) => ({ ...entry, ...change })),
  });

const forms = { moments: "blend", step: "plain", decay: "scale", hyper: "arguments" } as const;

export const mistakes: readonly Mistake[] = [
  {
    id: "vector-arithmetic",
    template: "vector-per-thread",
    idea: "update the whole vector in one line",
    expect: "compile_error",
    options: { ...forms, width: 4, style: "inline" },
    edit: replacing(/m4\.x = beta1 \* m4\.x \+ \(1\.0f - beta1\) \* g4\.x;/, "m4 = beta1 * m4 + (1.0f - beta1) * g4;"),
  },
  {
    id: "missing-pipeline-header",
    template: "async-ring",
    idea: "copy the arrays asynchronously",
    expect: "compile_error",
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "undeclared-power",
    template: "prepared-table",
    idea: "shorten the table's names",
    expect: "compile_error",
    options: { power: "powf" },
    edit: replacing("(1.0f - left2)", "(1.0f - right2)"),
  },
  {
    id: "ring-beyond-shared-memory",
    template: "async-ring",
    idea: "a deeper ring",
    expect: "launch_error",
    options: { stages: 4, block: 256, perSm: 2, staged: "all" },
    edit: (draft) => relaunched({ smemBytes: 16 * 16384 })(replacing("#define STAGES 4", "#define STAGES 16")(draft)),
  },
  {
    id: "block-of-2048",
    template: "element-per-thread",
    idea: "larger blocks",
    expect: "launch_error",
    options: { block: 1024, geometry: "line" },
    edit: (draft) => relaunched({ grid: [8192, 1, 1], block: [2048, 1, 1] })(draft),
  },
  {
    id: "vector-offset-in-floats",
    template: "vector-per-thread",
    idea: "compute the offset of the thread's vector",
    expect: "launch_error",
    options: { ...forms, width: 4, guard: false },
    edit: replacing("blockIdx.x * blockDim.x + threadIdx.x", "(blockIdx.x * blockDim.x + threadIdx.x) * 1024"),
  },
  {
    id: "stride-never-taken",
    template: "grid-stride",
    idea: "advance inside the loop only where the gradient is large",
    expect: "timeout",
    options: { loop: "while", ...forms },
    edit: replacing("i += stride;", "if (g * g > 1.0e-6f) i += stride;"),
  },
  {
    id: "no-bias-correction",
    template: "run-per-thread",
    idea: "drop the correction, which vanishes for many steps",
    expect: "incorrect",
    options: forms,
    edit: replacing(/ \* inv1\)/g, ")", true),
  },
  {
    id: "root-of-sum",
    template: "vector-batch",
    idea: "add epsilon before the root",
    expect: "incorrect",
    options: { ...forms, style: "lambda", width: 4 },
    edit: replacing("sqrtf(v * inv2) + epsilon", "sqrtf(v * inv2 + epsilon)"),
  },
  {
    id: "corrections-exchanged",
    template: "segments",
    idea: "rename the corrections",
    expect: "incorrect",
    options: forms,
    edit: replacing(/\* inv1\b/g, "* inv2", true),
  },
  {
    id: "old-moment-in-step",
    template: "element-per-thread",
    idea: "read the moment from memory again",
    expect: "incorrect",
    options: { ...forms, order: "stores-early", hint: "plain" },
    edit: (draft) =>
      replacing(/^(\s*)mState\[i\] = m;\n/m, "$1float mKept = mState[i];\n$1mState[i] = m;\n$1m = mKept;\n")(draft),
  },
  {
    id: "gradient-not-squared",
    template: "vector-per-thread",
    idea: "factor the gradient out",
    expect: "incorrect",
    options: { ...forms, width: 2, style: "lambda" },
    edit: replacing("(1.0f - beta2) * g * g", "(1.0f - beta2) * g"),
  },
  {
    id: "half-of-the-vectors",
    template: "resident-prefetch",
    idea: "count the vectors",
    expect: "incorrect",
    options: { ...forms, order: "stride" },
    edit: replacing("const int end = vectors;", "const int end = vectors / 2;"),
  },
  {
    id: "one-copy-early",
    template: "async-ring",
    idea: "wait for one stage fewer",
    expect: "incorrect",
    options: { ...forms, stages: 3, staged: "all" },
    edit: replacing("fetch(tile, s);", "fetch(tile, s + 1);"),
  },
  {
    id: "last-slice-forgotten",
    template: "two-launch-slices",
    idea: "overlap the slices",
    expect: "incorrect",
    options: { slices: 8 },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(0, -1) }),
  },
  {
    id: "weights-before-moments",
    template: "two-launch-slices",
    idea: "put the launches of the weights first",
    expect: "incorrect",
    options: { slices: 4, order: "moments-first" },
    edit: (draft) => ({ ...draft, launches: [...draft.launches.slice(4), ...draft.launches.slice(0, 4)] }),
  },
  {
    id: "backwards-without-last-block",
    template: "stored-direction",
    idea: "go through the blocks from the end",
    expect: "incorrect",
    options: { second: "backwards" },
    edit: replacing("gridDim.x - 1 - blockIdx.x", "gridDim.x - 2 - (blockIdx.x == gridDim.x - 1 ? 0 : blockIdx.x)"),
  },
  {
    id: "decay-of-the-rate",
    template: "stored-direction",
    idea: "fold the decay into the step",
    expect: "incorrect",
    options: { stored: "direction", hyper: "constexpr" },
    edit: replacing(/\(1\.0f - rate \* decay\)/g, "(1.0f - decay)", true),
  },
  {
    id: "table-of-last-step",
    template: "prepared-table",
    idea: "count the step from zero",
    expect: "incorrect",
    options: { power: "loop" },
    edit: replacing("while (step-- > 0)", "while (--step > 0)"),
  },
  {
    id: "moments-stored-as-half",
    template: "segments",
    idea: "round the moments to half precision",
    expect: "incorrect",
    options: { ...forms, hint: "plain", width: 1 },
    edit: (draft) =>
      replacing(
        "#define SEGMENT",
        "#include <cuda_fp16.h>\n#define SEGMENT",
      )(replacing("first[i] = m4;", "first[i] = __half2float(__float2half_rn(m4));")(draft)),
  },
];
