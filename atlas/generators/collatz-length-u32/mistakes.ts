import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

const relaunched = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const unusable: readonly Mistake[] = [
  {
    id: "host-builtin",
    template: "trailing-zeros",
    idea: "count zeros with the host compiler's builtin",
    expect: "compile_error",
    options: { zeros: "ffs", helper: false },
    edit: replacing("__ffsll(m) - 1", "__ctzll(m)", true),
  },
  {
    id: "funnel-by-another-name",
    template: "narrow-words",
    idea: "shift both words at once",
    expect: "compile_error",
    options: { way: "halves" },
    edit: replacing("__funnelshift_r(", "__funnelshift_right(", true),
  },
  {
    id: "vote-without-mask",
    template: "warp-refill",
    idea: "vote for idle lanes",
    expect: "compile_error",
    options: { state: "index" },
    edit: replacing("__ballot_sync(0xffffffffu, index < 0)", "__ballot_sync(index < 0)"),
  },
  {
    id: "block-of-2048",
    template: "several-walks",
    idea: "more threads per block",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, { block: [2048, 1, 1] }),
  },
  {
    id: "table-at-launch-too",
    template: "jumps-in-shared",
    idea: "reserve the table in shared memory at launch as well",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, { smemBytes: 262_144 }),
  },
  {
    id: "bytes-for-elements",
    template: "jumps-prepared",
    idea: "address the numbers by pages",
    expect: "launch_error",
    options: { stride: false },
    edit: replacing("numbers[i]", "numbers[(size_t)i * 4096]"),
  },
  {
    id: "until-zero",
    template: "walk",
    idea: "walk until the number is used up",
    expect: "timeout",
    options: { stop: "n != 1", loop: "while", map: "one" },
    edit: replacing("while (n != 1)", "while (n != 0)"),
  },
];

const walks: readonly Mistake[] = [
  {
    id: "terms-counted",
    template: "walk",
    idea: "count the start as well",
    expect: "incorrect",
    edit: replacing("int steps = 0;", "int steps = 1;"),
  },
  {
    id: "odd-steps-missing",
    template: "trailing-zeros",
    idea: "add up the zeros",
    expect: "incorrect",
    options: { tally: "both", zeros: "ffs", order: "odd-first" },
    edit: replacing("++steps;", ""),
  },
  {
    id: "neighbour-instead-of-half",
    template: "trailing-zeros",
    idea: "two numbers per thread, next to each other",
    expect: "incorrect",
    options: { map: "pair" },
    edit: replacing("i + k * (COUNT / 2)", "i + k", true),
  },
  {
    id: "shortcut-counts-once",
    template: "narrow-words",
    idea: "fuse the odd step with its halving",
    expect: "incorrect",
    options: { way: "alternate", step: "shortcut" },
    edit: replacing("steps += 2;", "steps += 1;"),
  },
  {
    id: "nothing-handed-over",
    template: "narrow-words",
    idea: "walk the rest in 64 bits",
    expect: "incorrect",
    options: { way: "hand-over", step: "plain" },
    edit: replacing("wide = n;", ""),
  },
  {
    id: "halvings-missing",
    template: "jumps-in-shared",
    idea: "keep the step count in the entry",
    expect: "incorrect",
    options: { layout: "pair" },
    edit: replacing("steps += BITS + (entry.x >> 24);", "steps += entry.x >> 24;"),
  },
  {
    id: "stops-at-four",
    template: "jumps-in-constant",
    idea: "stop when the final cycle is reached",
    expect: "incorrect",
    options: { ending: "plain" },
    edit: replacing("while (n > 1)", "while (n > 4)"),
  },
  {
    id: "ending-from-addends",
    template: "jumps-prepared",
    idea: "take the ending from the table",
    expect: "incorrect",
    options: { layout: "columns", ending: "lengths" },
    edit: replacing("table[2 * SIZE + n]", "table[SIZE + n]"),
  },
  {
    id: "half-the-endings",
    template: "known-endings",
    idea: "fewer blocks for the small numbers",
    expect: "incorrect",
    options: { bits: 14, shared: false },
    edit: (draft) => ({
      ...draft,
      launches: draft.launches.map((entry, k) => (k === 0 ? { ...entry, grid: [32, 1, 1] } : entry)),
    }),
  },
];

const queues: readonly Mistake[] = [
  {
    id: "steps-run-on",
    template: "warp-refill",
    idea: "load the next number into an idle lane",
    expect: "incorrect",
    edit: replacing(/\n\s*steps = 0;/, ""),
  },
  {
    id: "lane-counts-itself",
    template: "warp-refill",
    idea: "count the idle lanes up to one's own",
    expect: "incorrect",
    options: { prefix: "mask" },
    edit: replacing("((1u << lane) - 1u)", "((2u << lane) - 1u)"),
  },
  {
    id: "segment-forgotten",
    template: "tickets",
    idea: "store by ticket",
    expect: "incorrect",
    options: { scope: "block", shape: "nested" },
    edit: replacing("lengths[blockIdx.x * SEGMENT + i]", "lengths[i]"),
  },
  {
    id: "slots-of-one-block",
    template: "survivors-gathered",
    idea: "reserve a block's slots with one atomic",
    expect: "incorrect",
    options: { append: "block" },
    edit: replacing("slot += first;", ""),
  },
  {
    id: "layouts-mixed",
    template: "several-walks",
    idea: "neighbouring numbers per thread",
    expect: "incorrect",
    options: { layout: "neighbours", held: "array", walks: 4 },
    edit: replacing("lengths[first * 4 + k]", "lengths[first + k * THREADS]"),
  },
  {
    id: "first-idle-lane-ends",
    template: "busy-jumps",
    idea: "leave when numbers have run out",
    expect: "incorrect",
    options: { fill: "vote" },
    edit: replacing("idle_lanes == 32", "idle_lanes > 0"),
  },
];

export const mistakes: readonly Mistake[] = [...unusable, ...walks, ...queues];
