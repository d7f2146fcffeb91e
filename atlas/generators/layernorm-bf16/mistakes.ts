import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const withLaunch = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

export const mistakes: readonly Mistake[] = [
  {
    id: "missing-header",
    template: "block-per-row",
    idea: "convert with the built-in functions",
    expect: "compile_error",
    edit: replacing("#include <cuda_bf16.h>\n", ""),
  },
  {
    id: "misspelt-conversion",
    template: "register-row",
    idea: "pack pairs of values",
    expect: "compile_error",
    edit: replacing("__floats2bfloat162_rn", "__float2bfloat162_rn"),
  },
  {
    id: "vector-arithmetic",
    template: "welford",
    idea: "add whole packs to the running mean",
    expect: "compile_error",
    options: { update: "each", width: "eight" },
    edit: replacing("add(mine, f[p]);", "add(mine, f);"),
  },
  {
    id: "ring-too-large",
    template: "row-ring",
    idea: "many more stages",
    expect: "launch_error",
    options: { stages: 6, unit: "block", perSm: 1, weights: "global" },
    edit: (draft) => withLaunch(replacing("#define STAGES 6", "#define STAGES 32")(draft), { smemBytes: 32 * 8192 }),
  },
  {
    id: "block-too-large",
    template: "shared-row",
    idea: "a thread for every pair of packs",
    expect: "launch_error",
    options: { block: 512, reduce: "first-warp" },
    edit: (draft) => withLaunch(replacing("BLOCK = 512", "BLOCK = 2048")(draft), { block: [2048, 1, 1] }),
  },
  {
    id: "row-offset-twice",
    template: "warp-per-row",
    idea: "offset rows by elements",
    expect: "launch_error",
    options: { width: "eight" },
    edit: replacing(/\(size_t\)row \* LENGTH/g, "(size_t)row * COLS * COLS", true),
  },
  {
    id: "flag-never-set",
    template: "stats-then-apply",
    idea: "wait until the statistics are there",
    expect: "timeout",
    options: { apply: "row", stored: "mean-scale", paired: false },
    edit: replacing(
      "float mean = stats[row];",
      "const volatile float* ready = stats + 39 * rows + row;\n    while (*ready != 1.0f) {\n    }\n    float mean = stats[row];",
    ),
  },
  {
    id: "warp-instead-of-block",
    template: "persistent",
    idea: "sum the squares within a warp",
    expect: "incorrect",
    options: { method: "two-pass" },
    edit: replacing("blockSum<BLOCK>(squares)", "warpSum(squares)"),
  },
  {
    id: "no-mean",
    template: "block-per-row",
    idea: "scale by the root mean square",
    expect: "incorrect",
    options: { width: "eight" },
    edit: replacing("(v[p] - mean) * scale", "v[p] * scale"),
  },
  {
    id: "never-cleared",
    template: "atomic-sums",
    idea: "one launch less",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "clear") }),
  },
  {
    id: "weights-of-the-first-pack",
    template: "register-row",
    idea: "simplify the index of gamma and beta",
    expect: "incorrect",
    options: { affineLoad: "late", block: 128 },
    edit: replacing(/(gamma|beta)\[threadIdx\.x \+ k \* BLOCK\]/g, "$1[threadIdx.x]", true),
  },
  {
    id: "tile-not-written",
    template: "row-tiles",
    idea: "process half the width per step",
    expect: "incorrect",
    options: { direct: false },
    edit: replacing(/c < WIDTH; \+\+c/g, "c < WIDTH / 2; ++c", true),
  },
];
