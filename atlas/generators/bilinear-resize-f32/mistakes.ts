import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const changed = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change(entry) })),
});

const stopped: readonly Mistake[] = [
  {
    id: "lerp-unknown",
    template: "value-thread",
    idea: "interpolate with the library's function",
    expect: "compile_error",
    options: { blend: "difference" },
    edit: replacing(/const float value = [^;]*;/, "const float value = lerp(above, below, part_y);"),
  },
  {
    id: "vector-of-three",
    template: "pixel-thread",
    idea: "interpolate the three channels at once",
    expect: "compile_error",
    options: { channels: "struct", blend: "difference" },
    edit: replacing("float3 result;", "float3 result = a + partX * (b - a);"),
  },
  {
    id: "table-type",
    template: "table-thread",
    idea: "look both tables up in one structure",
    expect: "compile_error",
    options: { tables: "both", look: "plain" },
    edit: replacing("const float part_y = fractions[oy];", "const float part_y = fractions[oy].y;"),
  },
  {
    id: "unknown-group",
    template: "patch-thread",
    idea: "derive the number of groups from the grid",
    expect: "compile_error",
    edit: replacing("#define GROUPS (OUT_W / 4)", "#define GROUP (OUT_W / 4)"),
  },
  {
    id: "two-rows-more",
    template: "row-stage",
    idea: "reserve every row of the image",
    expect: "launch_error",
    edit: (draft) => changed(draft, ({ smemBytes }) => ({ smemBytes: Number(smemBytes) * 16 })),
  },
  {
    id: "pixels-of-a-row",
    template: "shared-store",
    idea: "one block per output row",
    expect: "launch_error",
    options: { threads: 256, reads: "direct" },
    edit: (draft) =>
      changed(replacing("THREADS 256", "THREADS 2048")(draft), ({ grid }) => ({
        grid: [1, grid[1], 1],
        block: [2048, 1, 1],
      })),
  },
  {
    id: "image-stride",
    template: "down-thread",
    idea: "stride images by their bytes",
    expect: "launch_error",
    edit: replacing("image * IN_H * IN_W * 3", "(size_t)image * IN_H * IN_W * 3 * IN_W"),
  },
  {
    id: "rows-never-end",
    template: "patch-thread",
    idea: "advance by the rows of input",
    expect: "timeout",
    options: { rotate: "copy" },
    edit: replacing("oy < first + DEPTH; oy += 4", "oy != first + DEPTH + 2; oy += 4 * (oy < first)"),
  },
];

const off: readonly Mistake[] = [
  {
    id: "corners-aligned",
    template: "value-thread",
    idea: "scale from corner to corner",
    expect: "incorrect",
    options: { coordinates: "quotient" },
    edit: replacing("fmaxf(((ox) + 0.5f) * IN_W / OUT_W - 0.5f, 0.0f)", "(float)ox * (IN_W - 1) / (OUT_W - 1)"),
  },
  {
    id: "no-half-pixel",
    template: "pixel-thread",
    idea: "leave out the half pixels",
    expect: "incorrect",
    options: { coordinates: "scale" },
    edit: replacing("((oy) + 0.5f)", "((oy) + 0.0f)"),
  },
  {
    id: "wrapped-edge",
    template: "value-thread",
    idea: "leave the upper bound to the next row",
    expect: "incorrect",
    options: { coordinates: "scale" },
    edit: replacing("min(lo_x + 1, IN_W - 1)", "lo_x + 1"),
  },
  {
    id: "fraction-swapped",
    template: "pixel-thread",
    idea: "weigh the rows in the order of the columns",
    expect: "incorrect",
    options: { channels: "unrolled", blend: "products" },
    edit: replacing(/\(1\.0f - partY\)/, "partY"),
  },
  {
    id: "tables-late",
    template: "table-thread",
    idea: "write the tables after use",
    expect: "launch_error",
    options: { tables: "columns-only" },
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
  {
    id: "upper-not-moved",
    template: "down-thread",
    idea: "keep the upper row for all four",
    expect: "incorrect",
    options: { step: "quarters", unit: "value", ahead: false },
    edit: replacing("upper[k] = lower[k];", "upper[k] = upper[k];", true),
  },
  {
    id: "phases-reversed",
    template: "group-thread",
    idea: "let the fractions grow along the group",
    expect: "incorrect",
    options: { phase: "formula", order: "down-first" },
    edit: replacing("(0.875f - 0.25f * j)", "(0.125f + 0.25f * j)", true),
  },
  {
    id: "four-inputs",
    template: "group-thread",
    idea: "start the group at its first input pixel",
    expect: "incorrect",
    options: { edge: "clamp" },
    edit: replacing("3 * g - 1 + i / 3", "3 * g + i / 3", true),
  },
  {
    id: "row-not-ready",
    template: "row-stage",
    idea: "read the staged row without waiting",
    expect: "incorrect",
    options: { rows: "one", copy: "scalar", threads: 512 },
    edit: replacing("__syncthreads();", "", true),
  },
  {
    id: "tile-without-halo",
    template: "tile-stage",
    idea: "stage the tile's own pixels only",
    expect: "incorrect",
    options: { fractions: "phase" },
    edit: replacing("from_x = x0 / 4 * 3 - 1".replaceAll("_x", "X"), "fromX = x0 / 4 * 3"),
  },
  {
    id: "store-before-all",
    template: "shared-store",
    idea: "write vectors as soon as the own pixel is done",
    expect: "incorrect",
    options: { reads: "direct", rows: "one", write: "vectors", threads: 256 },
    edit: replacing("__syncthreads();", "", true),
  },
  {
    id: "second-pass-first",
    template: "axis-passes",
    idea: "launch the passes in the other order",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
  {
    id: "green-and-blue",
    template: "separated-channels",
    idea: "write the planes in the order of the vectors",
    expect: "incorrect",
    options: { separate: "by-four" },
    edit: replacing("planes[2 * count + i] = make_float4(a.z", "planes[2 * count + i] = make_float4(a.y"),
  },
];

export const mistakes: readonly Mistake[] = [...stopped, ...off];
