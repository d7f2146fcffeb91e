import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Replaces text that must be there. */
function replace(from: string | RegExp, to: string): (draft: KernelDraft) => KernelDraft {
  return (draft) => {
    const source = draft.source.replace(from, to);
    if (source === draft.source) throw new Error(`the source has no ${String(from)}`);
    return { ...draft, source };
  };
}

export const mistakes: readonly Mistake[] = [
  {
    id: "no-header",
    template: "half-pairs",
    idea: "shorten the list of includes",
    expect: "compile_error",
    edit: replace("#include <cuda_fp16.h>\n", ""),
  },
  {
    id: "wrong-vector",
    template: "vector8",
    idea: "load float4 instead of uint4",
    expect: "compile_error",
    options: { shape: "batched", hint: "plain" },
    edit: replace("uint4 xs[kItems], rs[kItems];", "float4 xs[kItems], rs[kItems];"),
  },
  {
    id: "no-wait-count",
    template: "async-ring",
    idea: "wait for all copies before each tile",
    expect: "compile_error",
    edit: replace("__pipeline_wait_prior(STAGES - 1);", "__pipeline_wait_all();"),
  },
  {
    id: "deep-ring",
    template: "async-ring",
    idea: "deepen the ring of tiles",
    expect: "launch_error",
    options: { stages: 15, vectors: 2, block: 256, per_sm: 1, follow_column: false },
    edit: (draft) => draft,
  },
  {
    id: "tall-block",
    template: "column-walk",
    idea: "make blocks taller",
    expect: "launch_error",
    options: { walk: "columns", tall: 512, wide: 4, strip: 1, swap: false },
    edit: (draft) => draft,
  },
  {
    id: "square-pitch",
    template: "scalar-fused",
    idea: "index rows with 64-bit offsets",
    expect: "incorrect",
    options: { index: "grid2d" },
    edit: replace("const int idx = row * cols + col;", "const size_t idx = (size_t)row * rows * cols + col;"),
  },
  {
    id: "grid-barrier",
    template: "lookup-table",
    idea: "let every block wait until all have built the table",
    expect: "timeout",
    options: { place: "global" },
    edit: replace(
      /(  const \w+\* lut = table;)/,
      `  volatile unsigned int* ready = (volatile unsigned int*)table + ENTRIES;
  if (threadIdx.x == 0) {
    atomicAdd((unsigned int*)ready, 1u);
    while (*ready != gridDim.x) {
    }
  }
  __syncthreads();
$1`,
    ),
  },
  {
    id: "logistic",
    template: "column-strip",
    idea: "approximate the activation by a logistic function",
    expect: "incorrect",
    options: { math: "fastexp" },
    edit: replace("float u = v * (-1.5957691216f - 0.0713548163f * v * v);", "float u = -1.702f * v;"),
  },
  {
    id: "bias-by-row",
    template: "unfused",
    idea: "compute the bias index without a remainder",
    expect: "incorrect",
    options: { vector: false },
    edit: replace("bias[i % cols]", "bias[i / cols]"),
  },
  {
    id: "early-residual",
    template: "half-pairs",
    idea: "add all three operands before activating",
    expect: "incorrect",
    options: { math: "approx", layout: "rows" },
    edit: replace(
      "gelu(xf.x + bf.x) + rf.x, gelu(xf.y + bf.y) + rf.y",
      "gelu(xf.x + bf.x + rf.x), gelu(xf.y + bf.y + rf.y)",
    ),
  },
  {
    id: "short-bias",
    template: "shared-bias",
    idea: "stage the bias with one load per thread",
    expect: "incorrect",
    options: { float_bias: false, block: 256 },
    edit: replace(
      "for (int v = threadIdx.x; v < COLS / 8; v += blockDim.x) s_bias[v] = bias[v];",
      "s_bias[threadIdx.x] = bias[threadIdx.x];",
    ),
  },
  {
    id: "half-the-grid",
    template: "vector8",
    idea: "halve the grid and double the work per thread",
    expect: "incorrect",
    options: { shape: "simple", items: 2, block: 256 },
    edit: (draft) => ({
      ...draft,
      launches: draft.launches.map((launch) => ({ ...launch, grid: [Number(launch.grid[0]) / 2, 1, 1] as const })),
    }),
  },
];
