import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const withEach = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change(entry) })),
});

const failing: readonly Mistake[] = [
  {
    id: "swap-from-library",
    template: "sort-thread",
    idea: "swap with the standard function",
    expect: "compile_error",
    options: { sort: "selection", type: "int" },
    edit: replacing("p[j] = t;", "std::swap(p[j], t);"),
  },
  {
    id: "result-out-of-scope",
    template: "byte-tile",
    idea: "write the pixel after the loop",
    expect: "compile_error",
    options: { method: "nine", pixels: "four-down" },
    edit: replacing(/(out\[\(y0 \+ row\)[^;]*;)\s*\}/, "}\n$1"),
  },
  {
    id: "wide-minimum",
    template: "vector-thread",
    idea: "order whole vectors at once",
    expect: "compile_error",
    edit: replacing("__vminu4(a, b)", "__vminu16(a, b)"),
  },
  {
    id: "operand-missing",
    template: "word-thread",
    idea: "shift the word by bytes",
    expect: "compile_error",
    options: { slide: "permute", method: "nine" },
    edit: replacing(/__byte_perm\((\w+), (\w+), 0x6543\)/, "__byte_perm($2, 0x6543)"),
  },
  {
    id: "block-of-rows",
    template: "byte-tile",
    idea: "a block for 128x16 pixels",
    expect: "launch_error",
    options: { tile: "128x8", pixels: "one" },
    edit: (draft) => withEach(replacing("TY 8", "TY 16")(draft), () => ({ block: [128, 16, 1] })),
  },
  {
    id: "row-in-bytes",
    template: "word-march",
    idea: "advance by the image's width",
    expect: "launch_error",
    edit: replacing(/image \+ (min\(max\(y, 0\), HEIGHT - 1\)) \* WORDS/, "image + (size_t)$1 * WORDS * WIDTH"),
  },
  {
    id: "histogram-of-every-value",
    template: "sliding-histogram",
    idea: "count in words for four times as many threads per block",
    expect: "compile_error",
    options: { count: "unsigned char", threads: 64 },
    edit: (draft) => {
      const wider = replacing("__shared__ unsigned char bins", "__shared__ unsigned int bins")(draft);
      return withEach(replacing("#define THREADS 64", "#define THREADS 256")(wider), () => ({ block: [256, 1, 1] }));
    },
  },
  {
    id: "search-without-end",
    template: "sliding-histogram",
    idea: "leave the middle where it is while counts are equal",
    expect: "timeout",
    options: { search: "follow" },
    edit: replacing(/while \(below \+ ([^;]*) <= 4\) below \+= [^;]*;/, "while (below + $1 <= 4) below += 0;"),
  },
];

const inexact: readonly Mistake[] = [
  {
    id: "short-selection",
    template: "sort-thread",
    idea: "stop the selection after four values",
    expect: "incorrect",
    options: { sort: "selection" },
    edit: replacing("i < 5", "i < 4"),
  },
  {
    id: "signed-pixels",
    template: "sort-thread",
    idea: "compare pixels as characters",
    expect: "incorrect",
    options: { sort: "insertion", type: "unsigned char" },
    edit: replacing(/unsigned char (p\[9\]|value)/g, "signed char $1"),
  },
  {
    id: "strict-ranks",
    template: "sort-thread",
    idea: "rank by the smaller values alone",
    expect: "incorrect",
    options: { sort: "ranks" },
    edit: replacing("below <= 4 && below + equal > 4", "below == 4"),
  },
  {
    id: "missing-exchange",
    template: "network-thread",
    idea: "leave out an exchange of the network",
    expect: "incorrect",
    options: { method: "nine", shape: "macro" },
    edit: replacing("ORDER(p[1], p[4])", ""),
  },
  {
    id: "median-of-medians",
    template: "network-thread",
    idea: "take the median of the columns' medians",
    expect: "incorrect",
    options: { method: "columns" },
    edit: replacing(/\(unsigned char\)middleOf\(.*\);/, "(unsigned char)middleOf(midL, midC, midR);"),
  },
  {
    id: "line-not-moved",
    template: "sliding-thread",
    idea: "keep the first line in place",
    expect: "incorrect",
    options: { keep: "sorted" },
    edit: replacing("low_p = low_q; mid_p = mid_q; high_p = high_q;", ""),
  },
  {
    id: "tile-one-short",
    template: "byte-tile",
    idea: "fill the tile without its last rows",
    expect: "incorrect",
    options: { fill: "linear" },
    edit: replacing("i < (TX + 2) * (TY + 2)", "i < (TX + 2) * TY"),
  },
  {
    id: "wrong-byte",
    template: "word-thread",
    idea: "slide by the low byte of the word before",
    expect: "incorrect",
    options: { slide: "permute" },
    edit: replacing("0x6543", "0x6540", true),
  },
  {
    id: "pairs-kept",
    template: "word-march",
    idea: "reuse the ordered pair of the first two rows",
    expect: "incorrect",
    options: { method: "pairs" },
    edit: replacing("least_here = __vminu4(here_b, here_c);", ""),
  },
  {
    id: "bytes-as-numbers",
    template: "word-march",
    idea: "order the words as integers",
    expect: "incorrect",
    options: { method: "columns" },
    edit: replacing(/__v(min|max)u4\(/g, "$1(", true),
  },
  {
    id: "rim-word-from-inside",
    template: "word-tile",
    idea: "repeat the tile's own last word",
    expect: "incorrect",
    edit: replacing("q0 + TW < WORDS ? line[q0 + TW] : line[WORDS - 1] >> 24", "line[q0 + TW - 1] >> 24"),
  },
  {
    id: "odd-pixels-left-out",
    template: "half-words",
    idea: "join the halves without a shift",
    expect: "incorrect",
    options: { join: "funnel" },
    edit: replacing("first | (second << 8)", "first | second"),
  },
  {
    id: "planes-swapped",
    template: "sorted-planes",
    idea: "launch the combination first",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.toReversed() }),
  },
];

export const mistakes: readonly Mistake[] = [...failing, ...inexact];
