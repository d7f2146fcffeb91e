import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const relaunched = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change(entry) })),
});

const unusable: readonly Mistake[] = [
  {
    id: "vector-times-scalar",
    template: "warp-row",
    idea: "scale whole vectors",
    expect: "compile_error",
    options: { width: "pair", walk: "plain" },
    edit: replacing("sum.x += v * dense.x;", "sum += v * dense;"),
  },
  {
    id: "shuffle-of-a-pair",
    template: "entries-by-shuffle",
    idea: "pass column and value round in one shuffle",
    expect: "compile_error",
    options: { width: "pair" },
    edit: replacing(
      "__shfl_sync(kAll, myValue, source)",
      "__shfl_sync(kAll, make_float2(myColumn, myValue), source).y",
    ),
  },
  {
    id: "stash-of-floats",
    template: "entries-in-shared",
    idea: "stage columns and values as pairs",
    expect: "compile_error",
    options: { pack: "pairs" },
    edit: replacing("make_int2(cols[base + i], __float_as_int(vals[base + i]))", "{cols[base + i], &vals[base + i]}"),
  },
  {
    id: "all-lanes-at-once",
    template: "lane-groups",
    idea: "more rows per block",
    expect: "launch_error",
    edit: (draft) => relaunched(draft, () => ({ block: [1056, 1, 1] })),
  },
  {
    id: "panel-of-sixteen",
    template: "dense-panel",
    idea: "a wider slice",
    expect: "launch_error",
    options: { slice: 8 },
    edit: (draft) => relaunched(draft, () => ({ smemBytes: 262_144 })),
  },
  {
    id: "offsets-scaled-twice",
    template: "entries-in-shared",
    idea: "keep byte offsets instead of columns",
    expect: "launch_error",
    options: { pack: "offsets", wide: false },
    edit: replacing("cols[base + i] * 32", "cols[base + i] * 32 * 4096"),
  },
  {
    id: "no-next-row",
    template: "drawn-rows",
    idea: "draw until the counter says stop",
    expect: "timeout",
    options: { scope: "warp", ahead: false },
    edit: replacing("if (first >= ROWS) break;", "if (first > 2147483647) break;"),
  },
];

const rows: readonly Mistake[] = [
  {
    id: "last-entry-of-rows",
    template: "element-thread",
    idea: "walk to the next row's offset",
    expect: "incorrect",
    options: { loop: "for" },
    edit: replacing("k < end; k++", "k < end - 1; k++"),
  },
  {
    id: "odd-entries-lost",
    template: "element-thread",
    idea: "two sums per thread",
    expect: "incorrect",
    options: { loop: "two sums" },
    edit: replacing(/if \(k < end\) sum \+= .*;/, ""),
  },
  {
    id: "second-half-like-the-first",
    template: "warp-row",
    idea: "two features per lane",
    expect: "incorrect",
    options: { width: "two", walk: "plain" },
    edit: replacing("x[c * 64 + lane + 32]", "x[c * 64 + lane]"),
  },
  {
    id: "remainder-left-out",
    template: "warp-row",
    idea: "four entries per step",
    expect: "incorrect",
    options: { walk: "four", width: "pair" },
    edit: replacing("for (; k < end; k += 1)", "for (; k < end - 1; k += 1)"),
  },
  {
    id: "halves-not-joined",
    template: "entries-by-shuffle",
    idea: "two entries at once per warp",
    expect: "incorrect",
    options: { width: "quad" },
    edit: replacing("sum.w += __shfl_xor_sync(0xffffffffu, sum.w, 16);", ""),
  },
  {
    id: "every-chunk-the-first",
    template: "entries-in-shared",
    idea: "stage a chunk of entries",
    expect: "incorrect",
    options: { pack: "pairs", chunk: 32 },
    edit: replacing("make_int2(cols[base + i]", "make_int2(cols[begin + i]"),
  },
  {
    id: "quads-too-close",
    template: "lane-groups",
    idea: "eight lanes with two quads each",
    expect: "incorrect",
    options: { lanes: 8, entries: "plain", cast: "pointer" },
    edit: replacing("quads[c * 16 + place + 8]", "quads[c * 16 + place + 4]"),
  },
  {
    id: "one-slice-of-four",
    template: "thread-row",
    idea: "number rows and slices",
    expect: "incorrect",
    options: { features: 16, order: "slices first" },
    edit: replacing("i % 4 * 16", "i % 2 * 16"),
  },
];

const shared: readonly Mistake[] = [
  {
    id: "parts-of-a-row",
    template: "block-row",
    idea: "cut a row into equal parts",
    expect: "incorrect",
    options: { deal: "parts", warps: 4, walk: "plain" },
    edit: replacing("(end - begin + 3) / 4", "(end - begin) / 4"),
  },
  {
    id: "runs-overwrite",
    template: "entry-runs",
    idea: "store where a run ends a row",
    expect: "incorrect",
    options: { flush: "inner rows stored" },
    edit: replacing("if (row_begin >= first && row_end <= last) {", "if (row_end <= last) {"),
  },
  {
    id: "result-not-cleared",
    template: "entry-runs",
    idea: "add to the result",
    expect: "incorrect",
    options: { flush: "atomic" },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(1) }),
  },
  {
    id: "last-run-kept",
    template: "owned-entries",
    idea: "add the sums where the row changes",
    expect: "incorrect",
    options: { join: "runs", owner: "per step" },
    edit: replacing("row = here;", ""),
  },
  {
    id: "lists-grow",
    template: "listed-rows",
    idea: "walk the list of long rows",
    expect: "incorrect",
    edit: replacing("order[63 + ROWS - i]", "order[64 + i]"),
  },
  {
    id: "sum-of-half-a-group",
    template: "dense-panel",
    idea: "add the lanes' sums",
    expect: "incorrect",
    options: { join: "leader", lanes: 16 },
    edit: replacing("int half = 8; half > 0;", "int half = 8; half > 1;"),
  },
];

export const mistakes: readonly Mistake[] = [...unusable, ...rows, ...shared];
