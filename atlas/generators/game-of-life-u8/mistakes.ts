import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Launch = KernelDraft["launches"][number];

const relaunched = (draft: KernelDraft, kernel: RegExp, change: Partial<Launch>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => (kernel.test(entry.kernel) ? { ...entry, ...change } : entry)),
});

const failing: readonly Mistake[] = [
  {
    id: "width-not-passed",
    template: "cell-per-thread",
    idea: "pass the height only",
    expect: "compile_error",
    options: { size: "args" },
    edit: replacing(", int height, int width)", ", int height)"),
  },
  {
    id: "shuffle-without-mask",
    template: "bits-in-registers",
    idea: "get the left neighbour by a shuffle",
    expect: "compile_error",
    options: { shuffle: "updown" },
    edit: replacing("__shfl_up_sync(0xffffffffu, m, 1)", "__shfl_up_sync(m, 1)"),
  },
  {
    id: "row-without-right-side",
    template: "bit-per-cell",
    idea: "join a word with its neighbours",
    expect: "compile_error",
    edit: replacing("return make_row(before, m, after);", "return make_row(before, m);"),
  },
  {
    id: "block-of-2048",
    template: "shared-tile",
    idea: "a larger block per tile",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, /evolve/, { block: [64, 32, 1] }),
  },
  {
    id: "planes-beyond-limit",
    template: "bit-tiles",
    idea: "room for deeper tiles",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, /evolve/, { smemBytes: 245_760 }),
  },
  {
    id: "rows-by-plane",
    template: "cell-per-thread",
    idea: "address the row of the new cell",
    expect: "launch_error",
    options: { size: "define", rule: "or" },
    edit: replacing("to[y * WIDTH + x]", "to[(size_t)y * WIDTH * HEIGHT + x]"),
  },
];

const rules: readonly Mistake[] = [
  {
    id: "two-always-live",
    template: "cell-per-thread",
    idea: "a shorter rule",
    expect: "incorrect",
    options: { rule: "logic" },
    edit: replacing("count == 3 || (count == 2 && alive != 0)", "count == 3 || count == 2"),
  },
  {
    id: "edge-held",
    template: "cell-per-thread",
    idea: "clamp the column instead of wrapping it",
    expect: "incorrect",
    options: { size: "define", wrap: "mask" },
    edit: replacing("(x + 1) & (WIDTH - 1)", "min(x + 1, WIDTH - 1)"),
  },
  {
    id: "self-not-counted",
    template: "bytes-in-words",
    idea: "compare sums with constants in all bytes",
    expect: "incorrect",
    options: { rule: "compare" },
    edit: replacing(/0x04040404u/g, "0x02020202u", true),
  },
  {
    id: "byte-from-middle",
    template: "bytes-in-words",
    idea: "shift in the neighbour's last cell",
    expect: "incorrect",
    options: { shift: "shift", sides: "words" },
    edit: replacing("before >> 24", "before >> 8"),
  },
  {
    id: "seven-counts-as-three",
    template: "cells-in-nibbles",
    idea: "test the planes of the nibbles",
    expect: "incorrect",
    options: { rule: "planes" },
    edit: replacing(" & ~(t >> 2)", ""),
  },
  {
    id: "fours-ignored",
    template: "bit-per-cell",
    idea: "drop a term of the rule",
    expect: "incorrect",
    options: { adder: "eight" },
    edit: replacing("(twos ^ carry) & ~fours & (ones | here.m)", "(twos ^ carry) & (ones | here.m)"),
  },
  {
    id: "funnel-of-half-a-word",
    template: "bit-per-cell",
    idea: "shift double words with the funnel shifter",
    expect: "incorrect",
    options: { bits: 64, adder: "eight", funnel: false },
    edit: replacing("(m << 1) | (before >> 63)", "__funnelshift_l(before, m, 1)"),
  },
];

const flow: readonly Mistake[] = [
  {
    id: "upper-row-kept",
    template: "bytes-in-words",
    idea: "roll the sums down the rows",
    expect: "incorrect",
    options: { rolling: true, rows: 4 },
    edit: replacing(/up = here;\s*/, ""),
  },
  {
    id: "generation-too-few",
    template: "row-sums-first",
    idea: "skip a generation",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(0, -2) }),
  },
  {
    id: "plane-before-last",
    template: "cells-in-nibbles",
    idea: "unpack the other plane",
    expect: "incorrect",
    edit: (draft) => relaunched(draft, /unpack/, { args: ["ping", "out"] }),
  },
  {
    id: "tile-without-barrier",
    template: "shared-tile",
    idea: "count as soon as the own cells are there",
    expect: "incorrect",
    options: { fill: "linear" },
    edit: replacing(/__syncthreads\(\);\s*/, ""),
  },
  {
    id: "rim-too-narrow",
    template: "deep-tile",
    idea: "twice the generations per launch",
    expect: "incorrect",
    options: { depth: 4, swap: "two", shrink: false, last: "copied" },
    edit: (draft) => ({
      ...replacing("g <= DEPTH;", "g <= 2 * DEPTH;")(draft),
      launches: draft.launches.slice(0, draft.launches.length / 2),
    }),
  },
  {
    id: "rim-written-back",
    template: "bit-tiles",
    idea: "write the tile back",
    expect: "incorrect",
    options: { shape: "32x32" },
    edit: replacing("now[(e / 32 + DEPTH) * SPAN", "now[(e / 32) * SPAN"),
  },
  {
    id: "mirrored-words",
    template: "fused-bits",
    idea: "vote in the order of bits",
    expect: "incorrect",
    options: { gather: "ballot" },
    edit: replacing("32 * x + tid % 32", "32 * x + 31 - tid % 32"),
  },
  {
    id: "strips-of-whole-warps",
    template: "bits-in-registers",
    idea: "advance strips by the warp's width",
    expect: "incorrect",
    edit: replacing("strip * 30 + lane - 1", "strip * 32 + lane - 1"),
  },
  {
    id: "row-already-new",
    template: "bits-in-registers",
    idea: "read the upper row again",
    expect: "incorrect",
    edit: replacing("up = here;", "up = warp_row(held[r], lane);"),
  },
];

export const mistakes: readonly Mistake[] = [...failing, ...rules, ...flow];
