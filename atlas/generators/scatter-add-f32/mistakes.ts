import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const changed = (
  draft: KernelDraft,
  kernel: string,
  change: Partial<KernelDraft["launches"][number]>,
): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => (entry.kernel === kernel ? { ...entry, ...change } : entry)),
});

const dropped = (draft: KernelDraft, kernel: string): KernelDraft => ({
  ...draft,
  launches: draft.launches.filter((entry) => entry.kernel !== kernel),
});

export const mistakes: readonly Mistake[] = [
  {
    id: "add-a-quad",
    template: "global-atomics",
    idea: "add four numbers at once",
    expect: "compile_error",
    options: { walk: "quads", skip: false, address: "pointer" },
    edit: replacing("atomicAdd(out + key.x, value.x)", "atomicAdd(out + key, value)"),
  },
  {
    id: "match-without-mask",
    template: "warp-groups",
    idea: "match over the whole warp",
    expect: "compile_error",
    options: { combine: "rank-tree", walk: "stride" },
    edit: replacing("__match_any_sync(0xffffffffu, key)", "__match_any(key)"),
  },
  {
    id: "cas-on-floats",
    template: "hand-made-additions",
    idea: "compare and swap the floats themselves",
    expect: "compile_error",
    options: { how: "cas-peek" },
    edit: replacing(
      "atomicCAS((unsigned int*)cell, old, __float_as_uint(before + value)) == old",
      "atomicCAS(cell, before, before + value) == before",
    ),
  },
  {
    id: "four-copies",
    template: "private-bins",
    idea: "keep four copies of the bins per block",
    expect: "launch_error",
    options: { twice: true, perSm: 1 },
    edit: (draft) => changed(draft, "scatter_private", { smemBytes: 4 * 65_536 }),
  },
  {
    id: "wide-block",
    template: "warp-groups",
    idea: "use 2048 threads per block",
    expect: "launch_error",
    options: { threads: 1024, perSm: 1 },
    edit: (draft) => changed(draft, "scatterGroups", { block: [2048, 1, 1] }),
  },
  {
    id: "bytes-as-bins",
    template: "global-atomics",
    idea: "scale the bin by the whole vector",
    expect: "launch_error",
    options: { walk: "stride", address: "element" },
    edit: replacing("&out[key]", "&out[(size_t)key * N + N]"),
  },
  {
    id: "copy-far-away",
    template: "global-copies",
    idea: "place the copies a whole vector apart",
    expect: "launch_error",
    options: { layout: "copy-major", copies: 64, pick: "block" },
    edit: replacing(/copy \* BINS/g, "(size_t)copy * N * 16", true),
  },
  {
    id: "swap-forever",
    template: "hand-made-additions",
    idea: "repeat until the cell holds the new sum",
    expect: "timeout",
    options: { how: "cas-peek", place: "shared" },
    edit: replacing(")) == old) break;", ")) == __float_as_uint(before + value)) break;"),
  },
  {
    id: "no-clear",
    template: "global-atomics",
    idea: "leave the clearing to the first addition",
    expect: "incorrect",
    edit: (draft) => dropped(draft, "clear_bins"),
  },
  {
    id: "plain-add",
    template: "global-atomics",
    idea: "add without atomics",
    expect: "incorrect",
    options: { walk: "stride", skip: false, address: "element" },
    edit: replacing("atomicAdd(&out[key], value);", "out[key] += value;"),
  },
  {
    id: "bins-uncleared",
    template: "private-bins",
    idea: "clear the first bins of the block alone",
    expect: "incorrect",
    options: { clear: "scalar", twice: false },
    edit: replacing("bins[k] = 0.0f;", "bins[k] = 1.0f;"),
  },
  {
    id: "store-the-block",
    template: "private-bins",
    idea: "write the block's bins to the result",
    expect: "incorrect",
    options: { flush: "all", twice: false },
    edit: replacing("atomicAdd(out + k, bins[k]);", "out[k] = bins[k];"),
  },
  {
    id: "every-lane-leads",
    template: "warp-groups",
    idea: "let every lane add the sum of its group",
    expect: "incorrect",
    options: { combine: "loop" },
    edit: replacing("if (lane == leader) {", "if (lane <= 31) {"),
  },
  {
    id: "own-value",
    template: "warp-groups",
    idea: "let the leaders add their own numbers",
    expect: "incorrect",
    options: { combine: "rank-tree" },
    edit: replacing("if (next > 0) sum += other;", "if (next > 32) sum += other;"),
  },
  {
    id: "last-not-written",
    template: "thread-cache",
    idea: "write a sum only when another index comes",
    expect: "incorrect",
    options: { keep: "last", slots: 2, restrict: true, walk: "stride" },
    edit: (draft) => {
      const at = draft.source.lastIndexOf("if (held >= 0)");
      const end = draft.source.indexOf("\n", at);
      return { ...draft, source: draft.source.slice(0, at) + draft.source.slice(end + 1) };
    },
  },
  {
    id: "cold-dropped",
    template: "hot-bins",
    idea: "keep the frequent bins only",
    expect: "incorrect",
    options: { cold: "direct", walk: "stride" },
    edit: replacing("atomicAdd(out + key, value);", ";"),
  },
  {
    id: "one-copy-gathered",
    template: "hot-bins",
    idea: "gather the first copy of the frequent bins",
    expect: "incorrect",
    options: { copies: "per-lane-group", gather: "loop", hot: 256 },
    edit: replacing("c < COPIES; ++c", "c < 1; ++c"),
  },
  {
    id: "merge-half",
    template: "global-copies",
    idea: "merge half of the copies",
    expect: "incorrect",
    options: { merge: "thread", copies: 32 },
    edit: replacing("c < COPIES; ++c", "c < COPIES / 2; ++c"),
  },
  {
    id: "ranges-from-zero",
    template: "bin-ranges",
    idea: "add every range from the first bin on",
    expect: "incorrect",
    edit: replacing("atomicAdd(out + low + k", "atomicAdd(out + k"),
  },
  {
    id: "buckets-unscanned",
    template: "buckets-first",
    idea: "use the counts as they are",
    expect: "incorrect",
    edit: (draft) => dropped(draft, "scan_counts"),
  },
];
