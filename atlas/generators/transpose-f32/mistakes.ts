import type { KernelDraft, Mistake } from "../kit/generator.ts";

function swap(draft: KernelDraft, from: string, to: string): KernelDraft {
  if (!draft.source.includes(from)) throw new Error(`no "${from}" in the drawn source`);
  return { ...draft, source: draft.source.replaceAll(from, to) };
}

export const mistakes: readonly Mistake[] = [
  {
    id: "barrier-name",
    template: "smem-tile",
    expect: "compile_error",
    idea: "Tidy the tile kernel around its barrier",
    edit: (draft) => swap(draft, "__syncthreads();", "__syncthread();"),
  },
  {
    id: "pointer-type",
    template: "vec4-swizzle",
    expect: "compile_error",
    idea: "Simplify the source pointer's cast",
    options: { fill: "plain", size: "args" },
    edit: (draft) =>
      swap(
        draft,
        "const float4* src = reinterpret_cast<const float4*>(x + (size_t)row0 * cols + col0);",
        "const float* src = x + (size_t)row0 * cols + col0;",
      ),
  },
  {
    id: "macro-name",
    template: "register-block",
    expect: "compile_error",
    idea: "Rename the lane layout's macro",
    edit: (draft) => swap(draft, "#define ROW_LANES", "#define ROWS_PER_WARP"),
  },
  {
    id: "large-tile",
    template: "smem-tile",
    expect: "launch_error",
    idea: "Take a much larger tile for longer contiguous runs",
    options: { memory: "dynamic", tile: 64, height: 4, pad: true },
    edit: (draft) => ({
      ...swap(draft, "#define TILE 64", "#define TILE 256"),
      launches: draft.launches.map((launch) => ({
        ...launch,
        grid: [Number(launch.grid[0]) / 4, Number(launch.grid[1]) / 4, 1],
        block: [256, 4, 1],
        smemBytes: 4 * 256 * 257,
      })),
    }),
  },
  {
    id: "large-block",
    template: "naive-2d",
    expect: "launch_error",
    idea: "Use a larger 2-D block to cover more of the matrix",
    options: { bx: 64, by: 16, guard: true },
    edit: (draft) => ({ ...draft, launches: draft.launches.map((launch) => ({ ...launch, block: [64, 32, 1] })) }),
  },
  {
    id: "index-scale",
    template: "naive-2d",
    expect: "incorrect",
    idea: "Compute the output offset in 64 bits",
    options: { index: "size_t", store: "plain" },
    edit: (draft) => swap(draft, "out[(size_t)col * rows + row]", "out[(size_t)col * rows * cols + row]"),
  },
  {
    id: "zero-step",
    template: "flat-index",
    expect: "timeout",
    idea: "Compute the stride of the loop from the launch's shape",
    options: { stride: true, type: "int", vector: false, side: "gather" },
    edit: (draft) => swap(draft, "(int)gridDim.x * blockDim.x;", "(int)(blockDim.x / gridDim.x);"),
  },
  {
    id: "no-barrier",
    template: "smem-tile",
    expect: "incorrect",
    idea: "Drop the barrier between filling and draining the tile",
    options: { tile: 32, height: 8, pad: true, memory: "static" },
    edit: (draft) => swap(draft, "  __syncthreads();\n", ""),
  },
  {
    id: "swapped-words",
    template: "vec4-swizzle",
    expect: "incorrect",
    idea: "Rework the index of the words read back",
    options: { drain: "registers" },
    edit: (draft) => swap(draft, "tile[spot(4 * p + 2, q)]", "tile[spot(4 * p + 2, p)]"),
  },
  {
    id: "wrong-stride",
    template: "smem-tile",
    expect: "incorrect",
    idea: "Step through the output row by row",
    options: { store: "plain", memory: "static", size: "args" },
    edit: (draft) => swap(draft, "out[(c + j) * rows + r]", "out[(c + j) * cols + r]"),
  },
  {
    id: "missing-stage",
    template: "warp-shuffle",
    expect: "incorrect",
    idea: "Shorten the exchange to fewer stages",
    options: { exchange: "butterfly", width: 32 },
    edit: (draft) => swap(draft, "int m = WIDTH / 2; m > 0", "int m = WIDTH / 4; m > 0"),
  },
  {
    id: "pass-order",
    template: "two-pass",
    expect: "incorrect",
    idea: "Reorder the two passes",
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
];
