import type { KernelDraft, Mistake } from "../kit/generator.ts";

function swap(draft: KernelDraft, from: string, to: string): KernelDraft {
  if (!draft.source.includes(from)) throw new Error(`no "${from}" in the drawn source`);
  return { ...draft, source: draft.source.replaceAll(from, to) };
}

export const mistakes: readonly Mistake[] = [
  {
    id: "renamed-tile",
    template: "plane-tile",
    expect: "compile_error",
    idea: "Rename the shared tile",
    edit: (draft) => swap(draft, "__shared__ float tile", "__shared__ float plane_cells"),
  },
  {
    id: "scalar-value",
    template: "vec4-march",
    expect: "compile_error",
    idea: "Shorten the declaration of the result",
    edit: (draft) => swap(draft, "float4 value = ", "float value = "),
  },
  {
    id: "no-plane",
    template: "row-walk",
    expect: "compile_error",
    idea: "Move the plane's stride out of the kernel",
    edit: (draft) => swap(draft, "  const int plane = nx * ny;\n", ""),
  },
  {
    id: "deep-ring",
    template: "plane-ring",
    expect: "launch_error",
    idea: "Prefetch many more planes ahead",
    options: { ahead: 40, tile: "128x8" },
    edit: (draft) => draft,
  },
  {
    id: "large-block",
    template: "cell-per-thread",
    expect: "launch_error",
    idea: "Use a larger 3-D block",
    options: { block: "16x16x8" },
    edit: (draft) => draft,
  },
  {
    id: "plane-stride",
    template: "z-march",
    expect: "incorrect",
    idea: "Compute the stride between planes once",
    edit: (draft) => swap(draft, "const int plane = nx * ny;", "const size_t plane = (size_t)nx * ny * nz;"),
  },
  {
    id: "zero-step",
    template: "flat-index",
    expect: "timeout",
    idea: "Derive the loop's step from the launch's shape",
    options: { stride: true, waves: 16 },
    edit: (draft) => swap(draft, "+= gridDim.x * blockDim.x", "+= blockDim.x / gridDim.x"),
  },
  {
    id: "no-barrier",
    template: "plane-tile",
    expect: "incorrect",
    idea: "Rely on the double buffer instead of a barrier",
    options: { buffers: 2, block: "32x16" },
    edit: (draft) => swap(draft, "    __syncthreads();\n", ""),
  },
  {
    id: "short-rim",
    template: "box-tile",
    expect: "incorrect",
    idea: "Fill the rim from the neighbouring threads' side",
    options: { fill: "faces" },
    edit: (draft) => swap(draft, "x + BX, y,", "x + BX - 1, y,"),
  },
  {
    id: "stale-queue",
    template: "z-march",
    expect: "incorrect",
    idea: "Shift only the values that the next plane needs",
    options: { queue: "named" },
    edit: (draft) => swap(draft, "    b2 = b1;\n", ""),
  },
  {
    id: "narrow-face",
    template: "cell-per-thread",
    expect: "incorrect",
    idea: "Treat only the outermost cells along x as boundary",
    options: { guard: "early" },
    edit: (draft) => swap(draft, "x < 2 || x >= nx - 2", "x < 1 || x >= nx - 1"),
  },
  {
    id: "pass-order",
    template: "axis-passes",
    expect: "incorrect",
    idea: "Run the pass along z last",
    options: { route: "out" },
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
];
