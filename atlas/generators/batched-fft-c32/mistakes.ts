import type { KernelDraft, Mistake } from "../kit/generator.ts";
import { replacing } from "../kit/code.ts";

const everyLaunch = (draft: KernelDraft, change: Partial<KernelDraft["launches"][number]>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry) => ({ ...entry, ...change })),
});

const failing: readonly Mistake[] = [
  {
    id: "missing-copy-header",
    template: "row-walk",
    idea: "bring the next row asynchronously",
    expect: "compile_error",
    options: { ahead: "async", layout: "pairs" },
    edit: replacing("#include <cuda_pipeline.h>\n", ""),
  },
  {
    id: "sum-of-vectors",
    template: "shared-stages",
    idea: "add the pairs directly",
    expect: "compile_error",
    options: { method: "time", layout: "pairs", stages: "loop" },
    edit: replacing("= add(a, b);", "= a + b;"),
  },
  {
    id: "vector-shuffle",
    template: "warp-butterflies",
    idea: "shuffle the pair at once",
    expect: "compile_error",
    edit: replacing(
      /other\.x = __shfl_xor_sync\(0xffffffffu, v\[k\]\.x, half\);/,
      "other = __shfl_xor_sync(0xffffffffu, v[k], half);",
    ),
  },
  {
    id: "too-many-rows",
    template: "shared-stages",
    idea: "four rows per block",
    expect: "launch_error",
    options: { threads: 512, rows: 2, stages: "loop" },
    edit: (draft) => everyLaunch(draft, { block: [512, 4, 1] }),
  },
  {
    id: "row-offset-twice",
    template: "thread-per-row",
    idea: "advance by the row",
    expect: "launch_error",
    options: { method: "reversed" },
    edit: replacing("x + (size_t)row * 1024", "x + (size_t)row * 1024 * 1024"),
  },
  {
    id: "too-much-shared",
    template: "dense-products",
    idea: "reserve all shared memory",
    expect: "launch_error",
    edit: (draft) => everyLaunch(draft, { smemBytes: 240 * 1024 }),
  },
  {
    id: "row-never-advances",
    template: "row-walk",
    idea: "advance inside the loop",
    expect: "timeout",
    options: { ahead: "none", share: "strided" },
    edit: replacing("row < end; row += gridDim.x", "row < end;"),
  },
];

const wrong: readonly Mistake[] = [
  {
    id: "turns-the-other-way",
    template: "register-passes",
    idea: "drop the minus sign",
    expect: "incorrect",
    options: { powers: "sincospif" },
    edit: replacing("k * (-1.0f / 512.0f)", "k * (1.0f / 512.0f)"),
  },
  {
    id: "exchange-without-barrier",
    template: "register-passes",
    idea: "one barrier per exchange",
    expect: "incorrect",
    options: { plan: "4x5", layout: "pairs", rows: 1 },
    edit: replacing("__syncthreads();", ""),
  },
  {
    id: "half-exchange",
    template: "register-passes",
    idea: "exchange in half precision",
    expect: "incorrect",
    options: { layout: "planes", plan: "4x5", rows: 1 },
    edit: (draft) => {
      const named = replacing("__shared__ float shared_re", "__shared__ __half shared_re")(draft);
      return { ...named, source: `#include <cuda_fp16.h>\n\n${named.source}` };
    },
  },
  {
    id: "nine-bits",
    template: "shared-stages",
    idea: "reverse the bits",
    expect: "incorrect",
    options: { method: "time", reversal: "load" },
    edit: replacing("__brev(i) >> 22", "__brev(i) >> 23", true),
  },
  {
    id: "step-of-radix-two",
    template: "shared-passes",
    idea: "keep the step of the radix-2 pass",
    expect: "incorrect",
    options: { radix: "four", powers: "sincospif" },
    edit: replacing("k * (256 / done)", "k * (512 / done)", true),
  },
  {
    id: "last-pass-dropped",
    template: "shared-passes",
    idea: "stop at 256",
    expect: "incorrect",
    options: { radix: "four" },
    edit: replacing("done < 1024", "done < 256"),
  },
  {
    id: "square-not-twisted",
    template: "dense-products",
    idea: "multiply by the matrix twice",
    expect: "incorrect",
    options: { layout: "pairs", powers: "table" },
    edit: replacing("mul(sum, w[k * c])", "sum"),
  },
  {
    id: "square-not-turned",
    template: "warp-transpose",
    idea: "read the square along the rows",
    expect: "incorrect",
    options: { turn: "tile", pitch: "odd", warps: 2 },
    edit: replacing("v[i] = tile[warp][lane][i]", "v[i] = tile[warp][i][lane]"),
  },
  {
    id: "lanes-not-reversed",
    template: "warp-butterflies",
    idea: "store by lane",
    expect: "incorrect",
    options: { ends: "scattered" },
    edit: replacing("(__brev(lane) >> 27)", "lane"),
  },
  {
    id: "middle-mixed-up",
    template: "two-launches",
    idea: "read the columns back",
    expect: "incorrect",
    options: { between: "rows", reads: "plain" },
    edit: replacing("middle[base + lane * 32 + l]", "middle[base + l * 32 + lane]"),
  },
  {
    id: "nine-stages",
    template: "stage-launches",
    idea: "launch one stage less",
    expect: "incorrect",
    options: { method: "reversed" },
    edit: (draft) => ({ ...draft, launches: draft.launches.slice(0, -1) }),
  },
  {
    id: "swapped-twice",
    template: "thread-per-row",
    idea: "swap all that differ",
    expect: "incorrect",
    options: { method: "frequency", first: "copy" },
    edit: replacing("if (i < j)", "if (i != j)"),
  },
  {
    id: "neighbour-row-ahead",
    template: "row-walk",
    idea: "bring the following row",
    expect: "incorrect",
    options: { ahead: "registers", share: "strided" },
    edit: replacing("next[e] = x[(size_t)(row + gridDim.x) * 1024", "next[e] = x[(size_t)(row + 1) * 1024"),
  },
];

export const mistakes: readonly Mistake[] = [...failing, ...wrong];
