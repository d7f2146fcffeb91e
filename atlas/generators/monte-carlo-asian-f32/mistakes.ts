import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Change = Partial<KernelDraft["launches"][number]>;

const relaunched = (draft: KernelDraft, kernel: RegExp, change: Change): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => (kernel.test(entry.kernel) ? { ...entry, ...change } : entry)),
});

const failing: readonly Mistake[] = [
  {
    id: "contract-of-nothing",
    template: "path-per-thread",
    idea: "read the option's constants once",
    expect: "compile_error",
    edit: replacing("read_contract(book, option);", "read_contract(book);"),
  },
  {
    id: "sums-not-declared",
    template: "option-groups",
    idea: "keep the states of a group in registers",
    expect: "compile_error",
    edit: replacing("float state[TOGETHER], sum[TOGETHER];", "float state[TOGETHER];"),
  },
  {
    id: "four-steps-as-one",
    template: "options-on-lanes",
    idea: "read the walk from shared memory",
    expect: "compile_error",
    edit: replacing("const float4 w = walk[p][group];", "const float w = walk[p][group];"),
  },
  {
    id: "block-of-2048",
    template: "path-loop",
    idea: "more threads per block",
    expect: "launch_error",
    options: { block: 256, shares: 16 },
    edit: (draft) => relaunched(draft, /simulate/, { block: [2048, 1, 1] }),
  },
  {
    id: "too-much-dynamic-memory",
    template: "shared-walks",
    idea: "room for all walks in shared memory",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, /value/, { smemBytes: 262_144 }),
  },
  {
    id: "rows-by-square",
    template: "stored-normals",
    idea: "one row of normals per step",
    expect: "launch_error",
    options: { layout: "step-rows", content: "normals" },
    edit: replacing(/\* PATHS \+ path/g, "* PATHS * PATHS + path", true),
  },
];

const randomness: readonly Mistake[] = [
  {
    id: "seven-rounds",
    template: "path-per-thread",
    idea: "fewer rounds of the generator",
    expect: "incorrect",
    options: { mixer: "umulhi" },
    edit: replacing("round < 10", "round < 7"),
  },
  {
    id: "key-not-advanced",
    template: "path-loop",
    idea: "mix with a constant key",
    expect: "incorrect",
    options: { mixer: "wide" },
    edit: replacing(/key = make_uint2\(key\.x \+ 0x9E3779B9u, key\.y \+ 0xBB67AE85u\);/, ""),
  },
  {
    id: "uniforms-up-to-two",
    template: "payoff-array",
    idea: "scale words as signed numbers",
    expect: "incorrect",
    edit: replacing(/2\.3283064e-10f/g, "4.6566129e-10f", true),
  },
  {
    id: "drift-without-variance",
    template: "path-per-thread",
    idea: "a simpler drift",
    expect: "incorrect",
    edit: replacing("(row[2] - 0.5f * row[3] * row[3])", "row[2]"),
  },
  {
    id: "prices-not-cleared",
    template: "path-per-thread",
    idea: "one launch only",
    expect: "incorrect",
    options: { reduce: "warps" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel === "simulate") }),
  },
];

const sums: readonly Mistake[] = [
  {
    id: "overlapping-starts",
    template: "payoff-array",
    idea: "several paths per thread",
    expect: "incorrect",
    options: { layout: "option-rows", per: 4 },
    edit: replacing("blockIdx.x * blockDim.x * 4 + threadIdx.x", "blockIdx.x * blockDim.x + threadIdx.x"),
  },
  {
    id: "every-other-payoff",
    template: "payoff-array",
    idea: "a warp averages each option",
    expect: "incorrect",
    options: { layout: "option-rows", mean: "warp" },
    edit: replacing("p += 32)", "p += 64)"),
  },
  {
    id: "half-the-shares",
    template: "path-loop",
    idea: "fewer blocks per option",
    expect: "incorrect",
    options: { shares: 16, block: 128 },
    edit: (draft) => relaunched(draft, /simulate/, { grid: [8, 96, 1] }),
  },
  {
    id: "drift-of-one-step",
    template: "stored-normals",
    idea: "evaluate prices from the walk",
    expect: "incorrect",
    options: { content: "walk", producer: "path", layout: "path-rows" },
    edit: replacing(/\.drift \* \(4 \* group \+ \d\)/g, ".drift", true),
  },
  {
    id: "walk-counted-twice",
    template: "steps-on-lanes",
    idea: "scan the ends of the lanes",
    expect: "incorrect",
    options: { scan: "up" },
    edit: replacing("float before = __shfl_up_sync(0xffffffffu, end, 1, LANES);", "float before = end;"),
  },
  {
    id: "two-paths-of-four",
    template: "steps-on-lanes",
    idea: "add the paths of a warp",
    expect: "incorrect",
    options: { lanes: 8 },
    edit: replacing("step = LANES; step < 32;", "step = LANES; step < 16;"),
  },
  {
    id: "prefix-starts-late",
    template: "shared-walks",
    idea: "add up the walk in place",
    expect: "incorrect",
    options: { producer: "group" },
    edit: replacing("int s = 1; s < 4 * GROUPS", "int s = 4; s < 4 * GROUPS"),
  },
  {
    id: "half-warp-of-payoffs",
    template: "walks-in-registers",
    idea: "fewer shuffles per option",
    expect: "incorrect",
    options: { fold: "each" },
    edit: replacing("int step = 16; step > 0; step >>= 1) value", "int step = 8; step > 0; step >>= 1) value"),
  },
  {
    id: "growth-left-out",
    template: "walks-in-registers",
    idea: "evaluate the sum by Horner's scheme",
    expect: "incorrect",
    options: { drift: "horner", held: 1 },
    edit: replacing(/worth\(c, sum0 \* g\)/g, "worth(c, sum0)", true),
  },
  {
    id: "every-other-path",
    template: "options-on-lanes",
    idea: "step over the paths of the tile",
    expect: "incorrect",
    edit: replacing("p < TILE; p += SLOTS)", "p < TILE; p += 2 * SLOTS)"),
  },
];

export const mistakes: readonly Mistake[] = [...failing, ...randomness, ...sums];
