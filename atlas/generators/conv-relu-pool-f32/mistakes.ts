import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const relaunched = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change(entry) })),
});

const unusable: readonly Mistake[] = [
  {
    id: "maximum-of-four",
    template: "pooled-thread",
    idea: "take the largest of the window in one call",
    expect: "compile_error",
    options: { order: "patch", bounds: "select" },
    edit: replacing("best = fmaxf(best, s00);", "best = fmaxf(s00, s01, s10, s11);"),
  },
  {
    id: "vector-product",
    template: "matrix-product",
    idea: "multiply the four sums at once",
    expect: "compile_error",
    options: { windows: 1 },
    edit: replacing("sum[0][f].x += b * a0.x;", "sum[0][f] += b * a0;"),
  },
  {
    id: "static-patch-of-all-channels",
    template: "patch-in-shared",
    idea: "stage the patches of twelve images",
    expect: "compile_error",
    options: { stage: "all", filters: 16, tile: "16x8", skew: false, weights: "global" },
    edit: replacing("float tile[8]", "float tile[96]"),
  },
  {
    id: "threads-for-all-filters",
    template: "filter-lanes",
    idea: "twice the threads for the tile",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, () => ({ block: [2048, 1, 1] })),
  },
  {
    id: "too-much-shared",
    template: "register-tile",
    idea: "room for all channels twice",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, (entry) => (entry.kernel === "pack" ? {} : { smemBytes: 240_000 })),
  },
  {
    id: "plane-times-image",
    template: "column-strip",
    idea: "step from plane to plane in bytes",
    expect: "launch_error",
    edit: replacing("(image * 8 + c) * HEIGHT * WIDTH", "(size_t)(image * 8 + c) * HEIGHT * WIDTH * 4096"),
  },
];

const direct: readonly Mistake[] = [
  {
    id: "no-bias",
    template: "pooled-thread",
    idea: "start the sums at zero",
    expect: "incorrect",
    options: { order: "window-outer", read: "plain" },
    edit: replacing("float sum = bias[f];", "float sum = 0.0f;"),
  },
  {
    id: "flipped-weights",
    template: "pooled-thread",
    idea: "convolve in the mathematical sense",
    expect: "incorrect",
    options: { order: "window-inner", read: "plain" },
    edit: replacing("* 5 + ky) * 5 + kx]", "* 5 + 4 - ky) * 5 + 4 - kx]", true),
  },
  {
    id: "window-of-one",
    template: "separate-passes",
    idea: "pool by every second sum",
    expect: "incorrect",
    options: { pool: "two" },
    edit: replacing("fmaxf(fmaxf(a.x, a.y), fmaxf(b.x, b.y))", "fmaxf(a.x, b.x)"),
  },
  {
    id: "pool-without-rows",
    template: "separate-passes",
    idea: "address the window's rows",
    expect: "incorrect",
    options: { pool: "one" },
    edit: replacing("(plane * HEIGHT + 2 * row)", "(plane * HEIGHT + row)"),
  },
  {
    id: "no-channel-first",
    template: "channel-sweeps",
    idea: "let every sweep add to scratch",
    expect: "incorrect",
    options: { bias: "pool" },
    edit: replacing("c == 0 ? 0.0f : to[f * PLANE + k]", "to[f * PLANE + k]"),
  },
  {
    id: "seven-sweeps",
    template: "channel-sweeps",
    idea: "start with the bias and seven channels",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.filter((_, k) => k !== 7) }),
  },
  {
    id: "border-left-alone",
    template: "padded-images",
    idea: "copy only the images' own cells",
    expect: "incorrect",
    options: { pad: "cells" },
    edit: replacing("padded[i] = inside ? ", "if (inside) padded[i] = inside ? "),
  },
  {
    id: "pitch-without-border",
    template: "padded-images",
    idea: "read windows by the image's own width",
    expect: "incorrect",
    options: { read: "scalar" },
    edit: replacing("corner[r * PITCH + k]", "corner[r * (PITCH - 4) + k]"),
  },
  {
    id: "first-filters-weights",
    template: "weights-in-shared",
    idea: "read the filters' weights as vectors",
    expect: "incorrect",
    options: { order: "turned", filters: 4 },
    edit: replacing("* 16 + f0 + f]", "* 16 + f]"),
  },
];

const shared: readonly Mistake[] = [
  {
    id: "patch-off-by-one",
    template: "patch-in-shared",
    idea: "begin the patch at the block's corner",
    expect: "incorrect",
    edit: replacing(/(x0 = blockIdx\.x \* \d+) - 2/, "$1 - 1"),
  },
  {
    id: "weights-transposed-twice",
    template: "register-tile",
    idea: "turn the weights while staging",
    expect: "incorrect",
    options: { weights: "turned" },
    edit: replacing("i % 200 * 16 + i / 200", "i % 16 * 200 + i / 16"),
  },
  {
    id: "rows-from-four-up",
    template: "column-strip",
    idea: "skip rows that reach past the kernel",
    expect: "incorrect",
    options: { order: "rows" },
    edit: replacing("y >= 0 && y < 2 * POOLED", "y >= 0 && y < 2 * POOLED && ky < 4"),
  },
  {
    id: "lanes-two-apart",
    template: "pixel-threads",
    idea: "exchange with the lane two further",
    expect: "incorrect",
    options: { exchange: "xor" },
    edit: replacing("best, 1)", "best, 2)"),
  },
  {
    id: "first-row-only",
    template: "pixel-threads",
    idea: "take the maximum within rows",
    expect: "incorrect",
    options: { rows: "two" },
    edit: replacing("fmaxf(sum0[f], sum1[f])", "sum0[f]"),
  },
  {
    id: "half-the-parts",
    template: "split-channels",
    idea: "join the partial sums by shuffles",
    expect: "incorrect",
    options: { join: "shuffle", parts: 4 },
    edit: replacing("d < 4;", "d < 2;"),
  },
  {
    id: "window-swapped",
    template: "matrix-product",
    idea: "lay the four places of a window out by columns",
    expect: "incorrect",
    options: { source: "rows" },
    edit: replacing("rows[q / 2 + tap / 5]", "rows[q / 2 + tap % 5]"),
  },
];

export const mistakes: readonly Mistake[] = [...unusable, ...direct, ...shared];
