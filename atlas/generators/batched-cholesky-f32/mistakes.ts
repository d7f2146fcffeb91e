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
    id: "old-shuffle",
    template: "half-warp",
    idea: "broadcast the pivot with the plain shuffle",
    expect: "compile_error",
    options: { looking: "right" },
    edit: replace("__shfl_sync(0xffffffffu, a[k], k, 16)", "__shfl(a[k], k, 16)"),
  },
  {
    id: "index-vector",
    template: "thread-registers",
    idea: "index the components of a vector",
    expect: "compile_error",
    options: { quad_load: true },
    edit: replace("= v.y;", "= v[1];"),
  },
  {
    id: "lost-root",
    template: "warp-shared",
    idea: "use the reciprocal root only",
    expect: "compile_error",
    options: { pivot: "rsqrt" },
    edit: replace(/const float root = [^\n]*\n/, "\n"),
  },
  {
    id: "large-tile",
    template: "thread-shared",
    idea: "stage the matrices of a larger block",
    expect: "launch_error",
    options: { threads: 256, registers: false },
    edit: (draft) => draft,
  },
  {
    id: "deep-block",
    template: "thread-per-entry",
    idea: "put eight matrices into a block",
    expect: "launch_error",
    options: { depth: 8 },
    edit: (draft) => draft,
  },
  {
    id: "far-matrix",
    template: "thread-global",
    idea: "address matrices by their first entry",
    expect: "incorrect",
    edit: replace("l + (size_t)id * 256", "l + (size_t)id * batch * 256"),
  },
  {
    id: "await-layout",
    template: "interleaved",
    idea: "wait in the kernel for a layout flag",
    expect: "timeout",
    options: { registers: false },
    edit: replace(
      /(__global__ void factor\([^\n]*\n[^\n]*\n)/,
      `$1  volatile float* flag = work + (size_t)256 * BATCH - 1;
  while (!(*flag < -1.0f)) {
  }
`,
    ),
  },
  {
    id: "upper-factor",
    template: "thread-registers",
    idea: "read the update's factor along the row",
    expect: "incorrect",
    options: { order: "outer", packed: false, unrolled: true, quad_load: true },
    edit: replace("const float t = m[c][k];", "const float t = m[k][c - k];"),
  },
  {
    id: "wide-shuffle",
    template: "half-warp",
    idea: "leave the width of the shuffles to its default",
    expect: "incorrect",
    options: { looking: "left" },
    edit: replace("__shfl_sync(0xffffffffu, sum, j, 16)", "__shfl_sync(0xffffffffu, sum, j)"),
  },
  {
    id: "plain-pivot",
    template: "subgroup",
    idea: "keep the pivot itself on the diagonal",
    expect: "incorrect",
    edit: replace("? root :", "? d :"),
  },
  {
    id: "short-loop",
    template: "warp-shared",
    idea: "stop before the last column, which has nothing below it",
    expect: "incorrect",
    options: { loop: "row dots" },
    edit: replace("for (int j = 0; j < 16; ++j)", "for (int j = 0; j < 15; ++j)"),
  },
  {
    id: "one-matrix-of-two",
    template: "async-ring",
    idea: "copy one matrix per request",
    expect: "incorrect",
    edit: replace("for (int i = me; i < 128; i += 32) {", "for (int i = me; i < 64; i += 32) {"),
  },
];
