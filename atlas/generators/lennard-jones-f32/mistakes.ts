import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

/** The same source with the launches of one kernel changed. */
const relaunched =
  (
    change: (launch: KernelDraft["launches"][number]) => KernelDraft["launches"][number],
    kernel: string,
  ): Mistake["edit"] =>
  (draft) => ({
    ...draft,
    launches: draft.launches.map((entry) => (entry.kernel === kernel ? change(entry) : entry)),
  });

export const mistakes: readonly Mistake[] = [
  {
    id: "index-quad",
    template: "atom-packed",
    idea: "index the components of a quad",
    expect: "compile_error",
    options: { pair_of_atoms: false },
    edit: replacing("x = me.x, y = me.y", "x = me[0], y = me.y"),
  },
  {
    id: "plain-shuffle",
    template: "cell-warp",
    idea: "shuffle without a mask",
    expect: "compile_error",
    options: { exchange: "shuffle" },
    edit: replacing("__shfl_sync(0xffffffffu, held.x, k)", "__shfl(held.x, k)"),
  },
  {
    id: "lost-term",
    template: "hit-mask",
    idea: "inline the inverse",
    expect: "compile_error",
    options: { inverse: "divide" },
    edit: replacing("float q = 1.0f / r2;", ""),
  },
  {
    id: "large-tile",
    template: "cell-block",
    idea: "stage many more partners at once",
    expect: "compile_error",
    options: { layout: "quads", slices: 4 },
    edit: replacing("__shared__ float4 tile[128];", "__shared__ float4 tile[128 * 128];"),
  },
  {
    id: "wide-block",
    template: "cell-block",
    idea: "many slices of threads",
    expect: "launch_error",
    options: { slices: 8 },
    edit: relaunched((entry) => ({ ...entry, block: [32, 64, 1] }), "cell_forces"),
  },
  {
    id: "far-rows",
    template: "row-strip",
    idea: "stage with the packed index",
    expect: "launch_error",
    options: { layout: "quads", packed: true, span: 4 },
    edit: replacing("around[offs[c] + k] =", "around[offs[c] * SLOTS * 9 + k * 64] ="),
  },
  {
    id: "forgot-room",
    template: "row-strip",
    idea: "leave the size of the shared array to the compiler",
    expect: "launch_error",
    options: { layout: "quads", span: 10 },
    edit: relaunched((entry) => ({ ...entry, smemBytes: 0 }), "strip_forces"),
  },
  {
    id: "list-overrun",
    template: "neighbour-list",
    idea: "lay the lists out by slots of atoms",
    expect: "launch_error",
    options: { build: "thread", by_slot: false, lanes: 1 },
    edit: replacing("list[i * 128 + found] = j;", "list[(long long)i * 128 * 128 + found] = j;"),
  },
  {
    id: "endless-queue",
    template: "warp-queue",
    idea: "drain the queue in a loop",
    expect: "timeout",
    options: { queue: "distances" },
    edit: (draft) => {
      const looped = replacing("if (held >= 32) {", "while (held >= 32) {")(draft);
      return replacing("held -= 32;", "held -= 0;")(looped);
    },
  },
  {
    id: "flat-box",
    template: "atom-thread",
    idea: "clamp at the faces of the box",
    expect: "incorrect",
    options: { walk: "flat", wrap: "compare" },
    edit: replacing("nx += nx < 0 ? CELLS : (nx >= CELLS ? -CELLS : 0);", "nx = min(max(nx, 0), CELLS - 1);"),
  },
  {
    id: "no-image",
    template: "atom-packed",
    idea: "drop the minimum image",
    expect: "incorrect",
    options: { wrap: "rint" },
    edit: replacing(/dx -= BOX \* rintf\([^\n]*\n/, "\n", false),
  },
  {
    id: "fade-once",
    template: "atom-group",
    idea: "fade by the square once",
    expect: "incorrect",
    options: { form: "direct" },
    edit: replacing("q3 * q * w * w", "q3 * q * w"),
  },
  {
    id: "short-shuffle",
    template: "atom-warp",
    idea: "start the sums at a quarter",
    expect: "incorrect",
    edit: replacing("step = 32 / 2", "step = 32 / 4"),
  },
  {
    id: "wide-sums",
    template: "atom-group",
    idea: "sum over the whole warp",
    expect: "incorrect",
    options: { sums: "xor", lanes: 8 },
    edit: replacing("step = LANES / 2", "step = 32 / 2", false),
  },
  {
    id: "first-sixteen",
    template: "cell-warp",
    idea: "unroll over a half warp",
    expect: "incorrect",
    options: { exchange: "rotate" },
    edit: replacing("for (int k = 0; k < 32; ++k)", "for (int k = 0; k < 16; ++k)"),
  },
  {
    id: "one-sided",
    template: "half-pairs",
    idea: "give both atoms the same force",
    expect: "incorrect",
    options: { meet: "atomics", start_late: true },
    edit: replacing("atomicAdd(force + 4 * j, -s * dx);", "atomicAdd(force + 4 * j, s * dx);"),
  },
  {
    id: "uncleared",
    template: "half-pairs",
    idea: "save the clearing launch",
    expect: "incorrect",
    options: { meet: "quad atomics" },
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "clear_forces") }),
  },
  {
    id: "kept-self",
    template: "hit-mask",
    idea: "leave the own bit in the mask",
    expect: "incorrect",
    edit: replacing(/if \(i >= t && i < t \+ m\)[^\n]*\n/, "\n"),
  },
  {
    id: "lost-rest",
    template: "warp-queue",
    idea: "evaluate full warps only",
    expect: "incorrect",
    edit: replacing("if (lane < held) {", "if (held == 32) {"),
  },
  {
    id: "missing-part",
    template: "split-partners",
    idea: "add the parts in halves",
    expect: "incorrect",
    options: { meet: "scratch", split: "rows" },
    edit: replacing("part < 9;", "part < 9 / 2;"),
  },
  {
    id: "two-cells",
    template: "row-strip",
    idea: "end the row at the own cell",
    expect: "incorrect",
    edit: replacing("offs[r * SLOTS + own + 3]", "offs[r * SLOTS + own + 2]"),
  },
];
