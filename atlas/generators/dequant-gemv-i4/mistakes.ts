import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Entry = KernelDraft["launches"][number];

const launches =
  (change: (entry: Entry) => Entry): Mistake["edit"] =>
  (draft) => ({ ...draft, launches: draft.launches.map(change) });

const without =
  (kernel: string): Mistake["edit"] =>
  (draft) => ({ ...draft, launches: draft.launches.filter((entry) => entry.kernel !== kernel) });

export const mistakes: readonly Mistake[] = [
  {
    id: "pipeline-header",
    template: "async-words",
    idea: "asynchronous copies",
    expect: "compile_error",
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "scale-of-halves",
    template: "warp-per-row",
    idea: "widen scales two at a time",
    expect: "compile_error",
    edit: replacing("__half2float(rowScales[", "__half22float2(rowScales["),
  },
  {
    id: "word-as-vector",
    template: "rows-per-warp",
    idea: "decode whole vectors",
    expect: "compile_error",
    options: { width: "quad", hold: "first" },
    edit: replacing("decode8(reinterpret_cast<const unsigned int*>(&raw[r])[m], w);", "decode8(raw[r], w);"),
  },
  {
    id: "array-by-variable",
    template: "split-columns",
    idea: "a part of the vector as long as its share",
    expect: "compile_error",
    options: { vector: "shared" },
    edit: replacing("float4 piece[CHUNK / 4]", "float4 piece[COLS / 4 / gridDim.y]"),
  },
  {
    id: "vector-twice",
    template: "shared-vector",
    idea: "two copies of the vector, one for each half of the block",
    expect: "launch_error",
    edit: launches((entry) => ({ ...entry, smemBytes: 4 * 65536 })),
  },
  {
    id: "sixty-four-warps",
    template: "block-per-row",
    idea: "larger blocks",
    expect: "launch_error",
    options: { block: 512, width: "word", sum: "tree", ahead: false },
    edit: (draft) =>
      launches((entry) => ({ ...entry, block: [2048, 1, 1] }))(
        replacing("#define BLOCK 512", "#define BLOCK 2048")(draft),
      ),
  },
  {
    id: "row-by-columns",
    template: "thread-per-row",
    idea: "rows lie as many words apart as there are columns",
    expect: "launch_error",
    edit: replacing("(size_t)row * WORDS + 16 * g", "(size_t)row * COLS * 8 + 16 * g"),
  },
  {
    id: "rows-never-end",
    template: "shared-vector",
    idea: "go on from the last row's lane",
    expect: "timeout",
    options: { order: "strided" },
    edit: replacing(/row \+= gridDim\.x \* \(BLOCK \/ 32\) \* \d/, "row += gridDim.y - 1"),
  },
  {
    id: "offset-left-out",
    template: "warp-per-row",
    idea: "weights from 0 to 15",
    expect: "incorrect",
    options: { decode: "shift", offset: "early" },
    edit: replacing("& 15u) - 8);", "& 15u));"),
  },
  {
    id: "nibbles-reversed",
    template: "rows-per-warp",
    idea: "highest four bits first",
    expect: "incorrect",
    options: { decode: "shift" },
    edit: replacing("word >> (4 * i)", "word >> (28 - 4 * i)"),
  },
  {
    id: "pairs-of-neighbours",
    template: "warp-per-row",
    idea: "write the pairs side by side",
    expect: "incorrect",
    options: { decode: "halves", offset: "early" },
    edit: replacing("w[i + 4] = pair.y;", "w[(i + 1) % 8] = pair.y;"),
  },
  {
    id: "scale-of-words",
    template: "block-per-row",
    idea: "a scale for every 32 words",
    expect: "incorrect",
    options: { width: "quad", scale: "each" },
    edit: replacing("i / 4])", "i / 8])"),
  },
  {
    id: "first-warp-only",
    template: "block-per-row",
    idea: "store the first warp's sum",
    expect: "incorrect",
    options: { sum: "shuffle", block: 256 },
    edit: replacing("mine = t < BLOCK / 32 ? cells[t] : 0.0f;", "mine = t < 1 ? cells[t] : 0.0f;"),
  },
  {
    id: "sums-not-cleared",
    template: "split-columns",
    idea: "add to the result at once",
    expect: "incorrect",
    options: { finish: "atomic" },
    edit: without("clear_y"),
  },
  {
    id: "split-overwritten",
    template: "split-columns",
    idea: "store every split's sum",
    expect: "incorrect",
    options: { finish: "atomic", splits: 4 },
    edit: replacing("atomicAdd(y + row, sum);", "y[row] = sum;"),
  },
  {
    id: "same-vector-part",
    template: "split-columns",
    idea: "stage the beginning of the vector",
    expect: "incorrect",
    edit: replacing("(x + split * CHUNK)", "(x)"),
  },
  {
    id: "table-without-offset",
    template: "lookup-tables",
    idea: "sum over the bits only",
    expect: "incorrect",
    options: { entries: "bits" },
    edit: replacing("part -= 8.0f *", "part -= 0.0f *"),
  },
  {
    id: "three-bits",
    template: "lookup-tables",
    idea: "a table entry for each of eight values",
    expect: "incorrect",
    options: { entries: "products", gather: "steps" },
    edit: replacing("rest & 15u", "rest & 7u"),
  },
  {
    id: "tile-of-first-rows",
    template: "row-tiles",
    idea: "stage the tile's rows",
    expect: "incorrect",
    edit: replacing("(first + warp * 32 + k) * WORDS", "(warp * 32 + k) * WORDS", true),
  },
  {
    id: "half-of-the-vector",
    template: "register-vector",
    idea: "cover half of the columns",
    expect: "incorrect",
    options: { parts: "two" },
    edit: launches((entry) => (entry.kernel === "gemv_registers" ? { ...entry, grid: [entry.grid[0], 1, 1] } : entry)),
  },
  {
    id: "wait-too-late",
    template: "async-words",
    idea: "fetch into the stage after next",
    expect: "incorrect",
    options: { walk: "rows", stages: 4 },
    edit: replacing(/fetch\(n \+ STAGES\);/, "fetch(n + STAGES + 1);"),
  },
];
