import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Entry = KernelDraft["launches"][number];

const launches =
  (change: (entry: Entry) => Entry): Mistake["edit"] =>
  (draft) => ({ ...draft, launches: draft.launches.map(change) });

const chain =
  (...edits: readonly Mistake["edit"][]): Mistake["edit"] =>
  (draft) =>
    edits.reduce((current, edit) => edit(current), draft);

export const mistakes: readonly Mistake[] = [
  {
    id: "pairs-times-float",
    template: "three-passes",
    idea: "multiply pairs by the weight directly",
    expect: "compile_error",
    options: { values: "pair-groups" },
    edit: replacing("sum.x += row[i] * two.x;\n", "sum += row[i] * two;\n"),
  },
  {
    id: "pipeline-header",
    template: "async-ring",
    idea: "pipeline calls",
    expect: "compile_error",
    options: { copy: "pipeline" },
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "fragment-layout",
    template: "matrix-fragments",
    idea: "store the scores without a layout",
    expect: "compile_error",
    edit: replacing("score, COLUMNS, wmma::mem_row_major", "score, COLUMNS"),
  },
  {
    id: "uneven-static-shared",
    template: "key-tiles",
    idea: "tiles of 256 keys",
    expect: "launch_error",
    options: { padding: "eight" },
    edit: replacing("TILE = 128", "TILE = 256"),
  },
  {
    id: "ring-beyond-shared",
    template: "bulk-ring",
    idea: "sixteen stages",
    expect: "launch_error",
    options: { stages: 6, tile: 64 },
    edit: chain(
      replacing("STAGES = 6", "STAGES = 16"),
      launches((entry) => (entry.smemBytes ? { ...entry, smemBytes: 16 * 2 * 64 * 256 } : entry)),
    ),
  },
  {
    id: "warps-per-block",
    template: "warp-walk",
    idea: "all of a head's warps in one block",
    expect: "launch_error",
    options: { merge: "slots", warps: 8, shares: 64 },
    edit: launches((entry) =>
      entry.kernel === "walkKeys" ? { ...entry, grid: [1, entry.grid[1], 1], block: [2048, 1, 1] } : entry,
    ),
  },
  {
    id: "head-stride",
    template: "block-per-head",
    idea: "heads lie one cache apart",
    expect: "launch_error",
    edit: replacing("k + (size_t)head * COUNT * 128", "k + (size_t)head * COUNT * 128 * 4096"),
  },
  {
    id: "bytes-of-both",
    template: "bulk-ring",
    idea: "a barrier each for keys and values",
    expect: "timeout",
    options: { barriers: "split" },
    edit: replacing("expect(bar, BYTES);", "expect(bar, 2 * BYTES);"),
  },
  {
    id: "maximum-left-out",
    template: "split-chunks",
    idea: "skip the maximum",
    expect: "incorrect",
    options: { exp: "fast" },
    edit: replacing("top = fold_max(top, room);", "top = 0.0f;"),
  },
  {
    id: "parts-not-weighed",
    template: "split-chunks",
    idea: "add the parts as they are",
    expect: "incorrect",
    options: { combine: "two-loops", exp: "fast" },
    edit: replacing("float weight = __expf(TOP(head * SPLITS + s) - top);", "float weight = 1.0f;"),
  },
  {
    id: "scale-left-out",
    template: "lane-groups",
    idea: "use the dot products as scores",
    expect: "incorrect",
    options: { exp: "fast" },
    edit: replacing("query[j] *= 0.08838835f;", ""),
  },
  {
    id: "powers-of-two",
    template: "warp-walk",
    idea: "powers of two",
    expect: "incorrect",
    options: { exp: "fast" },
    edit: replacing("__expf(", "exp2f(", true),
  },
  {
    id: "sum-not-rescaled",
    template: "lane-groups",
    idea: "rescale only the values",
    expect: "incorrect",
    edit: replacing("sum *= keep;", ""),
  },
  {
    id: "half-the-lanes",
    template: "three-passes",
    idea: "shuffle over eight lanes",
    expect: "incorrect",
    options: { dots: "half-warp" },
    edit: replacing("int step = 8; step > 0", "int step = 4; step > 0"),
  },
  {
    id: "counters-not-cleared",
    template: "last-block",
    idea: "one launch only",
    expect: "incorrect",
    options: { counter: "add" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "zero_counters") }),
  },
  {
    id: "first-block-combines",
    template: "last-block",
    idea: "let the first block that finishes combine",
    expect: "incorrect",
    options: { counter: "add" },
    edit: replacing("== SPLITS - 1", "== 0"),
  },
  {
    id: "accumulators-not-cleared",
    template: "atomic-sums",
    idea: "start from the buffer",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "clearState") }),
  },
  {
    id: "bits-as-float-order",
    template: "atomic-sums",
    idea: "read the encoded maxima as floats",
    expect: "incorrect",
    edit: replacing(
      "float top = plain(reinterpret_cast<unsigned int*>(work)[state + head]);",
      "float top = work[state + head];",
    ),
  },
  {
    id: "column-of-scores",
    template: "matrix-fragments",
    idea: "read the scores side by side",
    expect: "incorrect",
    edit: replacing("scores[warp][lane * COLUMNS]", "scores[warp][lane]"),
  },
  {
    id: "values-of-first-tile",
    template: "key-tiles",
    idea: "weigh the values of the tile",
    expect: "incorrect",
    options: { values: "global" },
    edit: replacing("rows)[(size_t)(start + i) * DIM + t]", "rows)[(size_t)i * DIM + t]"),
  },
  {
    id: "chunk-without-head",
    template: "async-ring",
    idea: "index the cache by chunk",
    expect: "incorrect",
    edit: replacing(
      "const uint4* values = (const uint4*)v + ((size_t)slot",
      "const uint4* values = (const uint4*)v + ((size_t)blockIdx.x",
    ),
  },
];
