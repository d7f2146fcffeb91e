import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const launched = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change(entry) })),
});

const unusable: readonly Mistake[] = [
  {
    id: "infinity-macro",
    template: "output-thread",
    idea: "start at minus infinity",
    expect: "compile_error",
    options: { larger: "fmaxf" },
    edit: replacing("float best = LOWEST;", "float best = -numeric_limits<float>::infinity();"),
  },
  {
    id: "maximum-of-vectors",
    template: "half-passes",
    idea: "take the maximum of whole vectors",
    expect: "compile_error",
    options: { vector: true, larger: "fmaxf" },
    edit: replacing("best.x = fmaxf(best.x, low.x);", "best = fmaxf(best, low);"),
  },
  {
    id: "float-atomic-maximum",
    template: "scatter-maxima",
    idea: "raise the outputs as floats",
    expect: "compile_error",
    options: { encode: "sign-flip", test: false },
    edit: replacing("atomicMax(cell, code_of(value));", "atomicMax(reinterpret_cast<float*>(cell), value);"),
  },
  {
    id: "copies-without-header",
    template: "row-stream",
    idea: "copy rows with the pipeline's calls",
    expect: "compile_error",
    options: { copy: "async4" },
    edit: replacing("__pipeline_commit();", "__pipeline_submit();", true),
  },
  {
    id: "block-of-all-outputs",
    template: "shared-band",
    idea: "one thread per input column and row pair",
    expect: "launch_error",
    options: { threads: 512, reduce: "window" },
    edit: (draft) => launched(replacing("THREADS 512", "THREADS 1568")(draft), () => ({ block: [1568, 1, 1] })),
  },
  {
    id: "shared-request",
    template: "row-stream",
    idea: "reserve the ring at launch as well",
    expect: "launch_error",
    edit: (draft) => launched(draft, () => ({ smemBytes: 232_448 })),
  },
  {
    id: "bytes-per-image",
    template: "down-thread",
    idea: "step from image to image in bytes",
    expect: "launch_error",
    edit: replacing(/x \+ image \* IH \* IW/, "x + (size_t)image * IH * IW * IW"),
  },
  {
    id: "loop-to-wrong-end",
    template: "down-strip",
    idea: "loop until the last row is reached",
    expect: "timeout",
    options: { ahead: false, left: "scalar", unroll: "one" },
    edit: replacing("oy < last; ++oy", "oy < last; oy += first > last"),
  },
];

const misleading: readonly Mistake[] = [
  {
    id: "start-at-zero",
    template: "output-thread",
    idea: "start the maximum at zero",
    expect: "incorrect",
    edit: replacing("LOWEST (-3.402823466e38f)", "LOWEST 0.0f"),
  },
  {
    id: "window-of-two",
    template: "output-thread",
    idea: "windows of two, as the stride is two",
    expect: "incorrect",
    options: { edges: "tests" },
    edit: replacing("int s = -1; s < 2", "int s = 0; s < 2"),
  },
  {
    id: "row-wrap",
    template: "output-thread",
    idea: "leave out the test of the left border",
    expect: "incorrect",
    options: { edges: "skip-first", places: "rows" },
    edit: replacing("ox == 0 ? LOWEST :", "ox < 0 ? LOWEST :"),
  },
  {
    id: "lost-carry",
    template: "row-thread",
    idea: "carry the even column",
    expect: "incorrect",
    options: { vector: true, carry: "column-maximum" },
    edit: replacing("before = d;", "before = c;"),
  },
  {
    id: "one-window-per-input",
    template: "scatter-maxima",
    idea: "assign each input to one window",
    expect: "incorrect",
    options: { reduce: "each-input" },
    edit: replacing("if (y & 1) rise(cells, y / 2 + 1, z / 2, value);", ""),
  },
  {
    id: "not-decoded",
    template: "scatter-maxima",
    idea: "leave out the last launch",
    expect: "incorrect",
    options: { encode: "sign-flip" },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(0, -1) }),
  },
  {
    id: "own-last-column",
    template: "strip-thread",
    idea: "take the left neighbour from the strip's own vector",
    expect: "incorrect",
    options: { left: "vector" },
    edit: replacing(/\((\*|__ldg|__ldcs)\(quads - 1\)\)\.w/, "quads[0].w"),
  },
  {
    id: "carry-of-upper-row",
    template: "down-thread",
    idea: "carry the row just read",
    expect: "incorrect",
    edit: replacing(/sharedRow = lower;/, "sharedRow = upper;"),
  },
  {
    id: "chunk-starts-bare",
    template: "down-strip",
    idea: "start every chunk without a carried row",
    expect: "incorrect",
    options: { depth: 7 },
    edit: replacing("if (first > 0) strip_maxima", "if (first > OH) strip_maxima"),
  },
  {
    id: "band-not-awaited",
    template: "shared-band",
    idea: "pool as soon as the copies are issued",
    expect: "incorrect",
    options: { bands: "one", reduce: "window", copy: "vector", threads: 512, band: 28 },
    edit: replacing("__syncthreads();", ""),
  },
  {
    id: "band-shifted",
    template: "shared-band",
    idea: "begin the band at its first window's middle row",
    expect: "incorrect",
    edit: replacing("part * BAND * 2 + a - 1", "part * BAND * 2 + a"),
  },
  {
    id: "ring-too-short",
    template: "row-stream",
    idea: "fetch one stage further ahead",
    expect: "incorrect",
    options: { stages: "two", pooled: "carried", copy: "registers" },
    edit: replacing("const int coming = oy + STAGES - 1;", "const int coming = oy + STAGES;"),
  },
  {
    id: "same-scratch-stride",
    template: "half-passes",
    idea: "keep the input's row length in the second pass",
    expect: "incorrect",
    options: { first: "columns", vector: false },
    edit: replacing("row / OH * IH * OW", "row / OH * IH * IW"),
  },
  {
    id: "rim-at-three",
    template: "rimmed-images",
    idea: "start the windows at the image's first column",
    expect: "incorrect",
    options: { windows: "nine-loads" },
    edit: replacing("2 * (i % OW) + 3", "2 * (i % OW) + 4"),
  },
];

export const mistakes: readonly Mistake[] = [...unusable, ...misleading];
