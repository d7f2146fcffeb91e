import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const changed = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const dropped = (draft: KernelDraft, kernel: string): KernelDraft => ({
  ...draft,
  launches: draft.launches.filter((entry) => entry.kernel !== kernel),
});

export const mistakes: readonly Mistake[] = [
  {
    id: "pack-by-pointer",
    template: "bag-per-warp",
    idea: "pass the row by its address",
    expect: "compile_error",
    options: { fetch: "broadcast", width: 4 },
    edit: replacing("add_row(sum0, table", "add_row(sum0, &table"),
  },
  {
    id: "half-header-missing",
    template: "drawn-bags",
    idea: "leave the header to the compiler",
    expect: "compile_error",
    edit: replacing("#include <cuda_fp16.h>\n", ""),
  },
  {
    id: "sum-undeclared",
    template: "table-slices",
    idea: "start the sums at the first row",
    expect: "compile_error",
    edit: replacing(/float sum\[\d\] = \{\};\n/, ""),
  },
  {
    id: "two-thousand-threads",
    template: "bag-per-block",
    idea: "more threads per bag",
    expect: "launch_error",
    options: { meet: "columns", stage: "none" },
    edit: (draft) => changed(draft, { block: [2048, 1, 1] }),
  },
  {
    id: "bytes-for-rows",
    template: "column-per-thread",
    idea: "step over rows by their bytes",
    expect: "launch_error",
    options: { width: 2, load: "plain" },
    edit: replacing(/\* LANES \+ column\]/g, "* LANES * 256 + column]", true),
  },
  {
    id: "indices-as-offsets",
    template: "bag-per-thread",
    idea: "add the bag's offset to the row's index",
    expect: "launch_error",
    options: { packs: 1, flight: 1 },
    edit: replacing("(size_t)indices[i] * PACKS", "((size_t)indices[i] + (size_t)begin * 64) * PACKS"),
  },
  {
    id: "shared-for-every-row",
    template: "rows-in-flight",
    idea: "reserve room for many more rows",
    expect: "launch_error",
    edit: (draft) => changed(draft, { smemBytes: 240_000 }),
  },
  {
    id: "no-end",
    template: "drawn-bags",
    idea: "wait for the counter to pass the last bag",
    expect: "timeout",
    options: { owner: "warp" },
    edit: replacing("if (first >= bags) break;", "if (first >= bags) continue;"),
  },
  {
    id: "last-index",
    template: "bag-per-thread",
    idea: "end before the last index",
    expect: "incorrect",
    edit: replacing("int end = offsets[bag + 1];", "int end = offsets[bag + 1] - 1;"),
  },
  {
    id: "half-sums",
    template: "column-per-thread",
    idea: "round the sum after every row",
    expect: "incorrect",
    options: { width: 8, convert: "singles" },
    edit: replacing(
      "sum[k] += __half2float(h[k]);",
      "sum[k] = __half2float(__float2half(sum[k] + __half2float(h[k])));",
    ),
  },
  {
    id: "lanes-without-index",
    template: "bag-per-warp",
    idea: "take the lane's own index",
    expect: "incorrect",
    options: { fetch: "shuffle", flight: 1, style: "pragma" },
    edit: replacing("__shfl_sync(0xffffffffu, held, k)", "held"),
  },
  {
    id: "padding-rows",
    template: "bag-per-warp",
    idea: "always walk 32 indices",
    expect: "incorrect",
    options: { fetch: "shuffle" },
    edit: replacing("const int many = min(32, end - first);", "const int many = 32;"),
  },
  {
    id: "one-group",
    template: "rows-abreast",
    idea: "write the sums of the first group of lanes",
    expect: "incorrect",
    options: { width: 8, fold: "xor", finish: "first-group" },
    edit: replacing("hop < 32; hop *= 2", "hop < LANES; hop *= 2"),
  },
  {
    id: "mean-of-the-bag",
    template: "bag-per-block",
    idea: "divide by the number of rows",
    expect: "incorrect",
    options: { meet: "columns" },
    edit: replacing("__float2half(all)", "__float2half(all / max(1, end - begin))"),
  },
  {
    id: "fewer-groups",
    template: "bag-per-block",
    idea: "add the groups of one warp",
    expect: "incorrect",
    options: { meet: "columns", width: 4, threads: 256 },
    edit: replacing("g < GROUPS; ++g", "g < 2; ++g"),
  },
  {
    id: "totals-not-cleared",
    template: "equal-shares",
    idea: "add to what is there",
    expect: "incorrect",
    edit: (draft) => dropped(draft, "clear_totals"),
  },
  {
    id: "last-bag-not-flushed",
    template: "equal-shares",
    idea: "flush only when the bag changes",
    expect: "incorrect",
    options: { flush: "scalar", width: 4 },
    edit: (draft) => {
      const at = draft.source.lastIndexOf("for (int k = 0; k < 4; ++k) atomicAdd(");
      const end = draft.source.indexOf("\n", at);
      return { ...draft, source: draft.source.slice(0, at) + draft.source.slice(end + 1) };
    },
  },
  {
    id: "long-bags-left-out",
    template: "two-tiers",
    idea: "launch the short bags alone",
    expect: "incorrect",
    edit: (draft) => dropped(draft, "longBags"),
  },
  {
    id: "first-slice-only",
    template: "table-slices",
    idea: "use the same columns of the table for every slice",
    expect: "incorrect",
    options: { launches: "one-grid", load: "plain" },
    edit: replacing(/PACKS \+ column\](?!\s*=)/g, "PACKS + threadIdx.x % LANES]", true),
  },
  {
    id: "stale-rows",
    template: "rows-in-flight",
    idea: "read the ring one step behind",
    expect: "incorrect",
    options: { copy: "eight-bytes", read: "own" },
    edit: replacing("ring[k % STAGES * 32 + lane]", "ring[(k + 1) % STAGES * 32 + lane]"),
  },
];
