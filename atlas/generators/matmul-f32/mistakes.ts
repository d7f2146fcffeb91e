import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Replaces a piece of the source that must be there. */
function replaced(draft: KernelDraft, from: string, to: string): KernelDraft {
  if (!draft.source.includes(from)) throw new Error(`the source has no ${JSON.stringify(from)}`);
  return { ...draft, source: draft.source.replace(from, to) };
}

function edit(from: string, to: string): (draft: KernelDraft) => KernelDraft {
  return (draft) => replaced(draft, from, to);
}

/** What every writer of a faster product gets wrong at some point. */
export const mistakes: readonly Mistake[] = [
  {
    id: "undeclared-lane",
    template: "warp-dot",
    idea: "tidy the lane computation",
    expect: "compile_error",
    edit: edit("int lane = threadIdx.x % 32;", "int laneId = threadIdx.x % 32;"),
  },
  {
    id: "vector-from-float-pointer",
    template: "pipelined",
    idea: "drop a cast around the vector load",
    expect: "compile_error",
    edit: edit("stageA[u] = *(const float4*)&Ablk", "stageA[u] = *(const float*)&Ablk"),
  },
  {
    id: "array-size-from-parameter",
    template: "tiled",
    idea: "size the tile at launch",
    expect: "compile_error",
    options: { double: false },
    edit: edit("__shared__ float Bs[TILE][TILE];", "int width = blockDim.x;\n  __shared__ float Bs[width][width];"),
  },
  {
    id: "ring-too-deep",
    template: "cp-async",
    idea: "a deeper ring of tiles",
    expect: "launch_error",
    options: { bm: 128, bn: 128, bk: 32, tm: 8, tn: 8, stages: 4, twoBlocks: false, place: "plain" },
    edit: (draft) => {
      const deeper = replaced(draft, "STAGES = 4;", "STAGES = 8;");
      return {
        ...deeper,
        launches: deeper.launches.map((launch) => ({ ...launch, smemBytes: (Number(launch.smemBytes) / 4) * 8 })),
      };
    },
  },
  {
    id: "too-many-threads",
    template: "coarse-1d",
    idea: "a whole tile row per warp",
    expect: "launch_error",
    options: { bm: 64, bn: 64, bk: 16, per: 4, bounds: false, direction: "down" },
    edit: (draft) => {
      const wider = replaced(draft, "PER = 4;", "PER = 2;");
      return { ...wider, launches: wider.launches.map((launch) => ({ ...launch, block: [2048, 1, 1] as const })) };
    },
  },
  {
    id: "slice-stride",
    template: "split-k",
    idea: "keep the slices apart by their tile",
    expect: "incorrect",
    options: { combine: "workspace" },
    edit: edit("(size_t)slice * M * N;", "(size_t)slice * M * N * K;"),
  },
  {
    id: "no-barrier-after-use",
    template: "register-tile",
    idea: "one barrier less per step",
    expect: "incorrect",
    options: {
      bm: 64,
      bn: 64,
      bk: 16,
      tm: 4,
      tn: 4,
      layoutA: "mmajor",
      map: "contiguous",
      vector: true,
      place: "plain",
      unroll: true,
    },
    edit: edit("    __syncthreads();\n    #pragma unroll\n    for (int kk", "    #pragma unroll\n    for (int kk"),
  },
  {
    id: "one-step-short",
    template: "pipelined",
    idea: "peel the last step",
    expect: "incorrect",
    edit: edit(
      "for (int k0 = 0; k0 < K; k0 += BK) {\n    next = k0 + BK;",
      "for (int k0 = 0; k0 < K - BK; k0 += BK) {\n    next = k0 + BK;",
    ),
  },
  {
    id: "sum-not-cleared",
    template: "column-strip",
    idea: "let the first panel initialise the sums",
    expect: "incorrect",
    options: { prefetch: false },
    edit: edit(
      "  for (int r = 0; r < ROWS; ++r) sum[r] = 0.0f;\n",
      "  for (int r = 0; r < ROWS; ++r) sum[r] = c[(size_t)(top + r) * blockDim.x + col];\n",
    ),
  },
  {
    id: "no-clear",
    template: "split-k",
    idea: "skip the clearing pass",
    expect: "incorrect",
    options: { combine: "atomic" },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(1) }),
  },
  {
    id: "transposed-in-place",
    template: "transposed",
    idea: "write the tile where it was read",
    expect: "incorrect",
    options: { staged: true },
    edit: edit(
      "At[(size_t)(blockIdx.x * 32 + r) * M + blockIdx.y * 32 + threadIdx.x]",
      "At[(size_t)(blockIdx.y * 32 + r) * M + blockIdx.x * 32 + threadIdx.x]",
    ),
  },
];
