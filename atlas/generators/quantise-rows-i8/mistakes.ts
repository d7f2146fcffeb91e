import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Replaces text that must be there. */
function replace(from: string | RegExp, to: string): (draft: KernelDraft) => KernelDraft {
  return (draft) => {
    const source = draft.source.replace(from, to);
    if (source === draft.source) throw new Error(`the source has no ${String(from)}`);
    return { ...draft, source };
  };
}

export const mistakes: readonly Mistake[] = [
  {
    id: "float-atomic",
    template: "row-tiles",
    idea: "take the maximum of floats with atomics directly",
    expect: "compile_error",
    options: { atomic_merge: true },
    edit: replace("atomicMax(&merged[threadIdx.x], __float_as_int(best));", "atomicMax(&merged_f[threadIdx.x], best);"),
  },
  {
    id: "lost-factor",
    template: "warp-per-row",
    idea: "tidy the computation of the factor",
    expect: "compile_error",
    edit: replace(/ {4}const float k = [^\n]*\n/, ""),
  },
  {
    id: "no-pipeline-header",
    template: "shared-ring",
    idea: "copy rows asynchronously",
    expect: "compile_error",
    options: { asynchronous: true },
    edit: replace("#include <cuda_pipeline.h>\n\n", ""),
  },
  {
    id: "too-many-stages",
    template: "shared-ring",
    idea: "keep sixteen rows in flight",
    expect: "launch_error",
    options: { ring: true, persistent: true, asynchronous: true, stages: 16 },
    edit: (draft) => draft,
  },
  {
    id: "huge-block",
    template: "block-per-row",
    idea: "use more threads per row",
    expect: "launch_error",
    options: { threads: 2048, chunked: false, reduce: "tree" },
    edit: (draft) => draft,
  },
  {
    id: "row-pitch-twice",
    template: "registers",
    idea: "address rows by their first element",
    expect: "incorrect",
    options: { walk: "once", streaming: false },
    edit: replace("*(in + (size_t)row * kRowVectors", "*(in + (size_t)row * kRows * kRowVectors"),
  },
  {
    id: "wait-for-neighbour",
    template: "partial-maxima",
    idea: "merge the launches by waiting for the other segments",
    expect: "timeout",
    options: { transposed: false },
    edit: replace(
      /(if \(threadIdx\.x == 0\)) (partials\[[^\n]*= m;)/,
      `$1 {
    $2
    volatile float* others = partials + (ROWS - 1 - (int)blockIdx.y) * SEGMENTS;
    while (!(others[0] < 0.0f)) {
    }
  }`,
    ),
  },
  {
    id: "truncate",
    template: "thread-per-row",
    idea: "convert without rounding",
    expect: "incorrect",
    options: { round: "rn" },
    edit: replace("__float2int_rn(", "(int)("),
  },
  {
    id: "signed-maximum",
    template: "block-per-row",
    idea: "leave out the absolute value",
    expect: "incorrect",
    options: { pack: "bytes", reduce: "warps" },
    edit: replace("fmaxf(m, fabsf(src[i]))", "fmaxf(m, src[i])"),
  },
  {
    id: "row-of-element",
    template: "global-atomics",
    idea: "derive the row from the element rather than the vector",
    expect: "incorrect",
    options: { layout: "flat" },
    edit: replace("const int row = i / ROW_VECTORS;", "const int row = i / (4 * ROW_VECTORS);"),
  },
  {
    id: "half-warp",
    template: "registers",
    idea: "shorten the reduction over a warp",
    expect: "incorrect",
    options: { reduce: "warps", warp: "xor" },
    edit: replace("int step = 16; step > 0", "int step = 8; step > 0"),
  },
  {
    id: "unmasked-bytes",
    template: "warp-per-row",
    idea: "pack four integers with shifts only",
    expect: "incorrect",
    options: { pack: "shift", round: "rn" },
    edit: replace("(a & 0xff) | ((b & 0xff) << 8) | ((c & 0xff) << 16)", "a | (b << 8) | (c << 16)"),
  },
];
