import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Entry = KernelDraft["launches"][number];

const launches =
  (change: (entry: Entry) => Entry): Mistake["edit"] =>
  (draft) => ({ ...draft, launches: draft.launches.map(change) });

export const mistakes: readonly Mistake[] = [
  {
    id: "quad-plus-scalar",
    template: "quad-rows",
    idea: "add the force to the four cells at once",
    expect: "compile_error",
    options: { body: "members" },
    edit: replacing("const bool fixed", "value += pushed;\n    const bool fixed"),
  },
  {
    id: "pipeline-header",
    template: "async-rows",
    idea: "asynchronous copies",
    expect: "compile_error",
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "array-by-argument",
    template: "block-wave",
    idea: "lines as long as the block",
    expect: "compile_error",
    edit: replacing(/__shared__ float line\[2\]\[STEPS\]\[BLOCK/, "__shared__ float line[2][STEPS][blockDim.x"),
  },
  {
    id: "shuffle-without-mask",
    template: "register-tile",
    idea: "shuffle up and down",
    expect: "compile_error",
    edit: replacing("__shfl_up_sync(0xffffffffu, ", "__shfl_up_sync(", true),
  },
  {
    id: "tile-beyond-shared",
    template: "fused-tile",
    idea: "tiles of 256 by 128 cells",
    expect: "launch_error",
    options: { buffers: "two", force: "global", kind: "define", width: 64, height: 32, padded: false, fused: "four" },
    edit: (draft) => ({
      ...replacing(
        "#define HEIGHT 32",
        "#define HEIGHT 128",
      )(replacing("#define PITCH 72", "#define PITCH 264")(replacing("#define WIDTH 64", "#define WIDTH 256")(draft))),
      launches: draft.launches.map((entry) => ({ ...entry, grid: [24, 32, 1], smemBytes: 2 * 4 * 264 * 136 })),
    }),
  },
  {
    id: "block-of-forty-rows",
    template: "shared-tile",
    idea: "higher blocks",
    expect: "launch_error",
    options: { threads: "32x16", height: 64 },
    edit: (draft) =>
      launches((entry) => ({ ...entry, block: [32, 64, 1] }))(replacing("#define BY 16", "#define BY 64")(draft)),
  },
  {
    id: "rows-as-cells",
    template: "column-walk",
    idea: "start at the block's first cell",
    expect: "launch_error",
    options: { kind: "define", sides: "loads" },
    edit: replacing("const int first = blockIdx.y * ROWS;", "const int first = blockIdx.y * ROWS * NX;"),
  },
  {
    id: "loop-never-advances",
    template: "cell-per-thread",
    idea: "stride by the threads left of the block",
    expect: "timeout",
    options: { mapping: "stride", sizes: "arguments" },
    edit: replacing("id += gridDim.x * blockDim.x", "id += (gridDim.y - 1) * blockDim.x"),
  },
  {
    id: "three-sweeps",
    template: "cell-per-thread",
    idea: "sweep until the result is in out",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(2) }),
  },
  {
    id: "in-place",
    template: "shared-tile",
    idea: "sweep in place after the first",
    expect: "incorrect",
    edit: (draft) => ({
      ...draft,
      launches: draft.launches.map((entry, index) => ({ ...entry, args: [index ? "out" : "u", "force", "out"] })),
    }),
  },
  {
    id: "rim-not-kept",
    template: "quad-rows",
    idea: "treat the first column as any other",
    expect: "incorrect",
    edit: replacing("if (fixed || x == 0) value.x", "if (fixed) value.x"),
  },
  {
    id: "force-left-out",
    template: "row-then-column",
    idea: "add three rows",
    expect: "incorrect",
    options: { vector: false },
    edit: replacing(/ \+ (__ldg\(&)?force\[i\]\)?;/, ";"),
  },
  {
    id: "corner-weight",
    template: "row-then-column",
    idea: "one weight for the sides",
    expect: "incorrect",
    edit: replacing("0.05f * sides", "0.2f * sides"),
  },
  {
    id: "rows-not-shifted",
    template: "column-walk",
    idea: "keep the row above",
    expect: "incorrect",
    edit: replacing("    a_c = b_c;\n", ""),
  },
  {
    id: "narrow-rim",
    template: "fused-tile",
    idea: "a rim of one cell for all sweeps",
    expect: "incorrect",
    options: { kind: "define", fused: "four", buffers: "two" },
    edit: (draft) =>
      replacing(
        "const int y0 = blockIdx.y * HEIGHT - STEPS;",
        "const int y0 = blockIdx.y * HEIGHT - 1;",
      )(replacing("const int gy = y0 + STEPS + r;", "const int gy = y0 + 1 + r;")(draft)),
  },
  {
    id: "buffers-not-swapped",
    template: "fused-tile",
    idea: "write every sweep to the second buffer",
    expect: "incorrect",
    options: { buffers: "two", region: "inner" },
    edit: replacing(/float\* other = now;\s+now = next;\s+next = other;/, ""),
  },
  {
    id: "all-lanes-store",
    template: "register-wave",
    idea: "store from every lane",
    expect: "incorrect",
    options: { cells: "one", fused: "four" },
    edit: replacing("lane >= RIM / CELLS && lane < 32 - RIM / CELLS", "x >= 0"),
  },
  {
    id: "late-rows",
    template: "register-wave",
    idea: "rows lag by the sweeps before",
    expect: "incorrect",
    edit: replacing("const int at = y - s - 1;", "const int at = y - s;"),
  },
  {
    id: "skew-of-one",
    template: "block-wave",
    idea: "a lag of one row per sweep",
    expect: "incorrect",
    options: { order: "skewed", fused: "four", force: "reload" },
    edit: replacing("int at = y - 2 * s - 1;", "int at = y - s - 1;"),
  },
  {
    id: "lanes-overlap",
    template: "register-tile",
    idea: "strips of all 32 columns",
    expect: "incorrect",
    options: { place: "stack", fused: "four" },
    edit: replacing("strip * (32 - 2 * STEPS) - STEPS + lane", "strip * 32 - STEPS + lane"),
  },
  {
    id: "row-below-in-flight",
    template: "async-rows",
    idea: "use the row two below",
    expect: "incorrect",
    options: { slot: "modulo", depth: 1 },
    edit: replacing("const float* c = lines[((m + 2) % SLOTS)]", "const float* c = lines[((m + 3) % SLOTS)]"),
  },
];
