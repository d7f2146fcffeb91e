import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

type Entry = KernelDraft["launches"][number];

const launches =
  (change: (entry: Entry) => Entry): Mistake["edit"] =>
  (draft) => ({ ...draft, launches: draft.launches.map(change) });

const mistake = (
  template: string,
  idea: string,
  expect: Mistake["expect"],
  edit: Mistake["edit"],
  options: NonNullable<Mistake["options"]> = {},
): Mistake => ({ id: idea.replaceAll(" ", "-"), template, idea, expect, options, edit });

export const mistakes: readonly Mistake[] = [
  mistake("next-row", "copies ahead", "compile_error", replacing("#include <cuda_pipeline.h>\n", "")),
  mistake(
    "register-row",
    "as many words as are visible",
    "compile_error",
    replacing("uint4 raw[EACH];", "uint4 raw[(visible + 7) / 8 / THREADS];"),
    { held: "words" },
  ),
  mistake(
    "lanes-per-row",
    "narrow by value",
    "compile_error",
    replacing("out[c] = narrow(e);", "out[c] = narrow(e[0]);"),
  ),
  mistake("shared-row", "weigh whole words", "compile_error", replacing("widen(in[c], e);", "widen(in + c, e);"), {
    kept: "scores",
    copy: "vectors",
  }),
  mistake(
    "block-per-row",
    "blocks of 2048 threads",
    "launch_error",
    launches((entry) => ({ ...entry, block: [2048, 1, 1] })),
  ),
  mistake(
    "next-row",
    "sixteen lines ahead",
    "launch_error",
    launches((entry) => ({ ...entry, smemBytes: 64 * 4096 })),
  ),
  mistake(
    "thread-per-row",
    "rows lie a head apart",
    "launch_error",
    replacing("in = x + (size_t)row * (SEQ", "in = x + (size_t)row * SEQ * 4 * (SEQ"),
  ),
  mistake(
    "paired-rows",
    "stay until both rows are done",
    "timeout",
    replacing("turn < 2; ++turn", "turn < 2; turn = turn == 0 ? 1 : 0"),
  ),
  mistake("lanes-per-row", "a query sees those before it", "incorrect", replacing("row % SEQ + 1", "row % SEQ + 2")),
  mistake(
    "block-per-row",
    "only the causal mask",
    "incorrect",
    replacing("min(row % SEQ + 1, lengths[row / SEQ])", "row % SEQ + 1"),
  ),
  mistake(
    "lanes-per-row",
    "only the length",
    "incorrect",
    replacing("min(row % SEQ + 1, lengths[row / SEQ])", "lengths[row / SEQ]"),
  ),
  mistake("thread-per-row", "the first head's length", "incorrect", replacing("lengths[row / SEQ]", "lengths[0]")),
  mistake(
    "statistics-first",
    "sums without the maximum",
    "incorrect",
    replacing("work[2 * row] = top;", "work[2 * row] = 0.0f;"),
    {
      layout: "pairs",
    },
  ),
  mistake(
    "statistics-first",
    "leave hidden results alone",
    "incorrect",
    replacing(/y\[i\] = (make_uint4\(0u, 0u, 0u, 0u\)|0u);/, ";"),
  ),
  mistake("register-row", "fold over half a warp", "incorrect", replacing("int hop = 16;", "int hop = 8;", true), {
    owner: "warp",
  }),
  mistake("register-row", "divide by the maximum", "incorrect", replacing("1.0f / sum", "1.0f / top")),
  mistake("shared-row", "zeros as hidden scores", "incorrect", replacing(": 0.0f;", ": scale;")),
  mistake("mask-first", "hide with small scores", "incorrect", replacing("e[j] = -3.0e38f;\n", "e[j] = 90.0f;\n")),
  mistake("mask-first", "no mask", "incorrect", (draft) => ({ ...draft, launches: draft.launches.slice(1) })),
  mistake("paired-rows", "one row of each pair", "incorrect", replacing("turn < 2", "turn < 1")),
  mistake("next-row", "one line for both", "incorrect", replacing("own + half_line * (SEQ / 8) + c", "own + c"), {
    fetch: "all",
  }),
];
