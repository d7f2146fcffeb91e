import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Launches = KernelDraft["launches"];

const withLaunches = (draft: KernelDraft, change: (launches: Launches) => Launches): KernelDraft => ({
  ...draft,
  launches: change(draft.launches),
});

const onFirst = (draft: KernelDraft, change: Partial<Launches[number]>): KernelDraft =>
  withLaunches(draft, ([first, ...rest]) => (first ? [{ ...first, ...change }, ...rest] : rest));

export const mistakes: readonly Mistake[] = [
  {
    id: "basis-as-matrix",
    template: "product-window",
    idea: "index the basis by row and column",
    expect: "compile_error",
    options: { basis: "argument", order: "rows-first" },
    edit: replacing("basis[8 * u + i]", "basis[u][i]"),
  },
  {
    id: "array-for-eight",
    template: "folded-window",
    idea: "hand the row over as a whole",
    expect: "compile_error",
    options: { form: "scalars" },
    edit: replacing(/transform\(line\[i\]\[0\][^;]*;/, "transform(line[i]);"),
  },
  {
    id: "header-left-out",
    template: "pixel-tile",
    idea: "copy asynchronously",
    expect: "compile_error",
    options: { fill: "async" },
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "tall-blocks",
    template: "product-window",
    idea: "blocks of 64x32 windows",
    expect: "launch_error",
    options: { block: "64x4", basis: "argument" },
    edit: (draft) => onFirst(draft, { grid: [32, 64, 1], block: [64, 32, 1] }),
  },
  {
    id: "large-tile",
    template: "shared-lines",
    idea: "a tile that wastes few rows",
    expect: "launch_error",
    options: { layout: "planes", pixels: "global" },
    edit: (draft) =>
      onFirst(replacing(/TX = \d+, TY = \d+, RUN = \d+/, "TX = 128, TY = 64, RUN = 8")(draft), {
        grid: [16, 32, 1],
        block: [1024, 1, 1],
        smemBytes: 4 * 8 * 71 * 128,
      }),
  },
  {
    id: "beyond-its-bounds",
    template: "ring-march",
    idea: "launch more threads in a block",
    expect: "launch_error",
    options: { bounds: true, threads: 256, chunk: 32 },
    edit: (draft) => onFirst(draft, { grid: [2, 64, 1], block: [1024, 1, 1] }),
  },
  {
    id: "sum-for-difference",
    template: "folded-window",
    idea: "fold the outermost pixels",
    expect: "incorrect",
    options: { form: "array" },
    edit: replacing("m0 = v[0] - v[7]", "m0 = v[0] + v[7]"),
  },
  {
    id: "columns-left-out",
    template: "pixel-tile",
    idea: "a pixel per thread along the rows",
    expect: "incorrect",
    options: { fill: "nested", run: "one" },
    edit: replacing("b < TX + 7", "b < TX"),
  },
  {
    id: "one-row-eight-times",
    template: "pixel-tile",
    idea: "take the row from its pointer",
    expect: "incorrect",
    edit: replacing("pixels[r + i]", "pixels[r]"),
  },
  {
    id: "row-twice",
    template: "window-run",
    idea: "close the window with its seventh row",
    expect: "incorrect",
    edit: replacing("line[p + 7][v]}", "line[p + 6][v]}"),
  },
  {
    id: "gain-once",
    template: "window-run",
    idea: "put the gains on along the rows",
    expect: "incorrect",
    options: { gather: "before" },
    edit: replacing("energy += gain[u] * part[u];", "energy += part[u];"),
  },
  {
    id: "six-rows-first",
    template: "ring-march",
    idea: "fill the ring before the walk",
    expect: "incorrect",
    edit: replacing("i < 7; ++i", "i < 6; ++i"),
  },
  {
    id: "ring-stands",
    template: "ring-march",
    idea: "write over the last row of the ring",
    expect: "incorrect",
    options: { ring: "moved" },
    edit: replacing("ring[i][j] = ring[i + 1][j];", "ring[i][j] = ring[i][j];"),
  },
  {
    id: "two-exchanges",
    template: "frequency-lanes",
    idea: "add up over the lanes in two steps",
    expect: "incorrect",
    edit: replacing("energy += __shfl_xor_sync(0xffffffffu, energy, 1);", ""),
  },
  {
    id: "sign-by-half",
    template: "frequency-lanes",
    idea: "opposite pixels enter with opposite signs",
    expect: "incorrect",
    options: { basis: "folded" },
    edit: replacing("v % 2 ? -1.0f : 1.0f", "v < 4 ? 1.0f : -1.0f"),
  },
  {
    id: "planes-overlap",
    template: "shared-lines",
    idea: "planes of as many rows as windows",
    expect: "incorrect",
    options: { layout: "planes" },
    edit: replacing("* (TY + 7) + ", "* TY + ", true),
  },
  {
    id: "rows-of-the-tile",
    template: "shared-lines",
    idea: "transform the tile's rows",
    expect: "incorrect",
    edit: replacing("i < (TY + 7) * TX;", "i < TY * TX;"),
  },
  {
    id: "columns-first",
    template: "two-launches",
    idea: "the other order of launches",
    expect: "incorrect",
    edit: (draft) => withLaunches(draft, (launches) => launches.toReversed()),
  },
  {
    id: "rows-of-places",
    template: "two-launches",
    idea: "a row of blocks per row of the output",
    expect: "incorrect",
    edit: (draft) =>
      withLaunches(draft, ([first, ...rest]) =>
        first ? [{ ...first, grid: [first.grid[0], 2048, 1] }, ...rest] : rest,
      ),
  },
  {
    id: "sum-not-cleared",
    template: "launch-per-frequency",
    idea: "add every frequency to the output",
    expect: "incorrect",
    options: { first: "clears" },
    edit: (draft) => withLaunches(draft, (launches) => launches.slice(1)),
  },
  {
    id: "weights-from-zero",
    template: "plane-products",
    idea: "leave the mean out of the weights",
    expect: "incorrect",
    options: { weigh: "formula" },
    edit: replacing("(float)((1 + u) * (1 + v))", "(float)(u * v)"),
  },
  {
    id: "rows-not-stepped",
    template: "plane-products",
    idea: "a row of threads per row of windows",
    expect: "incorrect",
    options: { run: 2 },
    edit: replacing("(blockIdx.y * blockDim.y + threadIdx.y) * RUN", "blockIdx.y * blockDim.y + threadIdx.y"),
  },
];
