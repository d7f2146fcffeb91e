import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Gives every launch of `kernel` another block. */
const withBlock =
  (kernel: string, threads: number) =>
  (draft: KernelDraft): KernelDraft => ({
    ...draft,
    launches: draft.launches.map((entry) =>
      entry.kernel === kernel ? { ...entry, block: [threads, 1, 1] as const } : entry,
    ),
  });

/** Slips in borders, strides, fragments and barriers. */
export const mistakes: readonly Mistake[] = [
  {
    id: "border-wraps",
    template: "direct",
    idea: "check only the rows, since a column beyond the edge is the next row's",
    expect: "incorrect",
    options: { border: "branch" },
    edit: replacing("if (z >= 0 && z < 64) {", "if (z >= -1 && z <= 64) {"),
  },
  {
    id: "filters-by-channel",
    template: "direct",
    idea: "step through the weights by filters",
    expect: "incorrect",
    options: { pairs: false },
    edit: replacing("* 128 + c + 0) * 128 + k", "* 128 + k % 128) * 128 + c"),
  },
  {
    id: "conversion",
    template: "direct",
    idea: "widen the value of x with the shorter name",
    expect: "compile_error",
    options: { pairs: false },
    edit: replacing("v[1] = {__half2float(", "v[1] = {half2float("),
  },
  {
    id: "far-image",
    template: "direct",
    idea: "offset by images of padded size in bytes",
    expect: "launch_error",
    edit: replacing("x + pixel / 4096 * 4096 * 128", "x + (size_t)(pixel / 4096 + 1) * 4096 * 128 * 32768"),
  },
  {
    id: "flipped",
    template: "staged",
    idea: "go through the taps from the last to the first",
    expect: "incorrect",
    edit: replacing("[p + s][0], f[j]", "[p + 2 - s][0], f[j]"),
  },
  {
    id: "first-channels-only",
    template: "staged",
    idea: "read the stretch's weights from where the taps begin",
    expect: "incorrect",
    options: { weights: "global", order: "rows" },
    edit: replacing("* 128 + c0 + c + 0) * 128", "* 128 + c + 0) * 128"),
  },
  {
    id: "two-thousand-threads",
    template: "staged",
    idea: "a warp for each of 64 rows",
    expect: "launch_error",
    edit: withBlock("convTile", 2048),
  },
  {
    id: "filter-by-step",
    template: "register-tiles",
    idea: "choose the filter of a product by the step",
    expect: "incorrect",
    options: { tn: 8 },
    edit: replacing("sum[i][j] += u[i] * v[j];", "sum[i][j] += u[i] * v[step % TN];"),
  },
  {
    id: "tile-too-wide",
    template: "register-tiles",
    idea: "stage 64 channels of twice as many pixels",
    expect: "compile_error",
    options: { halves: false, tm: 8, tn: 8, depth: 16 },
    edit: (draft) => replacing("#define BM 128", "#define BM 4096")(draft),
  },
  {
    id: "pad-on-one-side",
    template: "padded-fragments",
    idea: "put the border after the image",
    expect: "incorrect",
    options: { unit: "eights" },
    edit: replacing("% 66 - 1, y =", "% 66, y ="),
  },
  {
    id: "columns-for-rows",
    template: "padded-fragments",
    idea: "take the weights as columns, as filters are usually stored",
    expect: "incorrect",
    edit: replacing(
      /wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major>/g,
      "wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major>",
    ),
  },
  {
    id: "starts-afresh",
    template: "tap-passes",
    idea: "start every pass from zero",
    expect: "incorrect",
    options: { start: "flag" },
    edit: replacing("if (first == 0) wmma::fill_fragment", "if (first >= 0) wmma::fill_fragment"),
  },
  {
    id: "wrong-memory-layout",
    template: "tap-passes",
    idea: "store the sums by the short name of the layout",
    expect: "compile_error",
    edit: replacing("wmma::mem_row_major", "wmma::row_major", true),
  },
  {
    id: "halo-left-out",
    template: "halo",
    idea: "shift the tile by rows of its own width",
    expect: "incorrect",
    options: { tile: "8x16" },
    edit: replacing("+ tap / 3) * (WIDTH + 2)", "+ tap / 3) * WIDTH"),
  },
  {
    id: "one-stretch",
    template: "halo",
    idea: "fill the tile before the first stretch of channels only",
    expect: "incorrect",
    options: { weights: "global", channels: 32 },
    edit: replacing("128 + chunk * CHANNELS + c);", "128 + c);"),
  },
  {
    id: "scratch-row",
    template: "unfolded",
    idea: "a row of the unfolded matrix per tap",
    expect: "incorrect",
    edit: replacing("(first + m) * 1152 + step", "(first + m) * 128 + step"),
  },
  {
    id: "zeroes-what-is-inside",
    template: "implicit-tiles",
    idea: "zero-fill by the flag itself",
    expect: "incorrect",
    options: { copy: "async", stages: 2, bm: 128, bn: 64, bk: 32, warpsM: 4, warpsN: 2, pad: 8 },
    edit: replacing("inside ? 0 : 16", "inside ? 16 : 0"),
  },
  {
    id: "weights-never-end",
    template: "implicit-tiles",
    idea: "repeat the loop until the last step's tile is in place",
    expect: "timeout",
    options: { copy: "ahead", stages: 2, bm: 128, bn: 64, bk: 32, warpsM: 4, warpsN: 2, pad: 8 },
    edit: replacing("while (step < STEPS) {", "for (; true; step = step % STEPS) {"),
  },
  {
    id: "not-turned",
    template: "pipeline",
    idea: "read the weights' fragments as those of the pixels",
    expect: "incorrect",
    edit: replacing("m8n8.x4.trans.shared.b16", "m8n8.x4.shared.b16"),
  },
  {
    id: "no-such-wait",
    template: "pipeline",
    idea: "wait for the number of groups at hand",
    expect: "compile_error",
    edit: replacing("await_groups<STAGES - 2>();", "await_groups<now>();"),
  },
  {
    id: "group-of-two",
    template: "warpgroups",
    idea: "take 32 bytes a slice as 32 in the descriptor",
    expect: "incorrect",
    edit: replacing("pixels + 2 * slice", "pixels + 32 * slice"),
  },
  {
    id: "ring-outgrows",
    template: "warpgroups",
    idea: "a ring of twelve stages",
    expect: "launch_error",
    options: { bn: 128, groups: 2, tall: 1, stages: 3, lag: false },
    edit: (draft) => {
      const deeper = replacing("STAGES = 3,", "STAGES = 12,")(draft);
      return {
        ...deeper,
        launches: deeper.launches.map((entry) =>
          entry.kernel === "conv_groups" ? { ...entry, smemBytes: 256 * 128 * 12 + 1024 } : entry,
        ),
      };
    },
  },
];
