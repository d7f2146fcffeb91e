import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const launchesOf = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const without = (draft: KernelDraft, kernel: string): KernelDraft => {
  const launches = draft.launches.filter((entry) => entry.kernel !== kernel);
  if (launches.length === draft.launches.length) throw new Error(`no launch of ${kernel}`);
  return { ...draft, launches };
};

const refused: readonly Mistake[] = [
  {
    id: "third-of-two",
    template: "hoisted-terms",
    idea: "read the shift behind the factor",
    expect: "compile_error",
    edit: replacing("shift = shocks[s].y", "shift = shocks[s].z"),
  },
  {
    id: "missing-groups-header",
    template: "warp-per-option",
    idea: "use tiles of a warp",
    expect: "compile_error",
    options: { shuffle: "cooperative" },
    edit: replacing("#include <cooperative_groups.h>\n", ""),
  },
  {
    id: "narrower-entry",
    template: "derived-columns",
    idea: "read three of the four floats",
    expect: "compile_error",
    options: { table: "global" },
    edit: replacing("const float4 entry = list[s]", "const float3 entry = list[s]"),
  },
  {
    id: "table-too-fine",
    template: "cdf-table",
    idea: "a finer table",
    expect: "compile_error",
    options: { memory: "shared", cells: 4096 },
    edit: replacing("CELLS = 4096", "CELLS = 65536"),
  },
  {
    id: "block-too-large",
    template: "pair-atomics",
    idea: "larger blocks",
    expect: "launch_error",
    options: { block: 256 },
    edit: (draft) => launchesOf(draft, { block: [2048, 1, 1] }),
  },
  {
    id: "too-much-shared",
    template: "side-by-side",
    idea: "reserve shared memory for the scenarios",
    expect: "launch_error",
    edit: (draft) => launchesOf(draft, { smemBytes: 240 * 1024 }),
  },
  {
    id: "offset-twice",
    template: "value-matrix",
    idea: "one matrix per scenario",
    expect: "launch_error",
    options: { layout: "scenario-rows", store: "plain" },
    edit: replacing("(size_t)(s) * OPTIONS", "(size_t)(s) * OPTIONS * SCENARIOS"),
  },
  {
    id: "stale-comparison",
    template: "pair-atomics",
    idea: "retry until the exchange succeeds",
    expect: "timeout",
    options: { place: "scenarios-first", combine: false, minimum: "loop" },
    edit: replacing("seen = found;", ""),
  },
];

const wrong: readonly Mistake[] = [
  {
    id: "sum-for-mean",
    template: "hoisted-terms",
    idea: "skip the division",
    expect: "incorrect",
    edit: replacing("sum * (1.0f / SCENARIOS)", "sum"),
  },
  {
    id: "tail-on-both-sides",
    template: "option-per-thread",
    idea: "drop the selection",
    expect: "incorrect",
    options: { cdf: "poly" },
    edit: replacing("return z > 0.0f ? 1.0f - tail : tail;", "return tail;"),
  },
  {
    id: "error-function-unscaled",
    template: "option-per-thread",
    idea: "use the error function",
    expect: "incorrect",
    options: { cdf: "erff" },
    edit: replacing("erff(0.707106781f * z)", "erff(z)"),
  },
  {
    id: "density-of-the-strike",
    template: "scenario-table",
    idea: "share the density",
    expect: "incorrect",
    options: { formula: "shared-density", cdf: "poly-fma", math: "intrinsic" },
    edit: replacing("0.398942280f * now *", "0.398942280f * paids[k] *"),
  },
  {
    id: "parts-without-barrier",
    template: "scenario-split",
    idea: "drop the barrier before the parts are added",
    expect: "incorrect",
    options: { meet: "first-row", rows: 8, width: 64, share: "contiguous" },
    edit: replacing(/(leasts\[part\]\[column\] = least;\s*)__syncthreads\(\);/, "$1"),
  },
  {
    id: "nothing-prepared",
    template: "pair-atomics",
    idea: "one launch only",
    expect: "incorrect",
    edit: (draft) => without(draft, "prepare"),
  },
  {
    id: "one-shuffle-less",
    template: "warp-per-option",
    idea: "start at a quarter of the lanes",
    expect: "incorrect",
    options: { shuffle: "xor" },
    edit: replacing("int offset = LANES / 2;", "int offset = LANES / 4;"),
  },
  {
    id: "last-scenario-dropped",
    template: "value-matrix",
    idea: "reduce all but the last",
    expect: "incorrect",
    options: { reduce: "thread" },
    edit: replacing(
      "for (int s = 0; s < SCENARIOS; ++s) {\n    const float v",
      "for (int s = 0; s < SCENARIOS - 1; ++s) {\n    const float v",
    ),
  },
  {
    id: "scenarios-not-derived",
    template: "derived-columns",
    idea: "leave out the small launch",
    expect: "incorrect",
    options: { scenarios: "own-launch" },
    edit: (draft) => without(draft, "derive_scenarios"),
  },
  {
    id: "no-interpolation",
    template: "cdf-table",
    idea: "take the entry below",
    expect: "incorrect",
    options: { memory: "shared", interpolation: "linear" },
    edit: replacing("return fmaf(place - cell, high - low, low);", "return low;"),
  },
  {
    id: "least-of-one-chain",
    template: "side-by-side",
    idea: "add the chains",
    expect: "incorrect",
    options: { sums: "apart" },
    edit: replacing("least[0] = fminf(least[0], least[j]);", ""),
  },
  {
    id: "next-neighbour",
    template: "book-walk",
    idea: "read the next row ahead",
    expect: "incorrect",
    options: { ahead: true },
    edit: replacing("next = book[i + stride]", "next = book[i + 1]"),
  },
];

export const mistakes: readonly Mistake[] = [...refused, ...wrong];
