import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Replaces a piece of the source, wherever it stands; it must be there. */
function edit(from: string, to: string): (draft: KernelDraft) => KernelDraft {
  return (draft) => {
    if (!draft.source.includes(from)) throw new Error(`the source has no ${JSON.stringify(from)}`);
    return { ...draft, source: draft.source.replaceAll(from, to) };
  };
}

const widePart = { copy: "async", layout: "swizzled", fragments: "ldmatrix", ahead: false, store: "direct" } as const;

/** What every writer of a tensor-core kernel gets wrong at some point. */
export const mistakes: readonly Mistake[] = [
  {
    id: "no-namespace",
    template: "wmma-global",
    idea: "shorter preamble",
    expect: "compile_error",
    edit: edit("using namespace nvcuda;\n", ""),
  },
  {
    id: "conversion-name",
    template: "dot",
    idea: "convert pairs at once",
    expect: "compile_error",
    edit: edit("__half22float2(", "__half22float("),
  },
  {
    id: "no-such-shape",
    template: "wgmma",
    idea: "a narrower instruction",
    expect: "compile_error",
    options: { bn: 128 },
    edit: edit("m64n128k16", "m64n100k16"),
  },
  {
    id: "ring-too-deep",
    template: "wgmma",
    idea: "twice the ring",
    expect: "launch_error",
    options: { groups: 2, bn: 128, stages: 4 },
    edit: (draft) => {
      const deeper = edit("STAGES = 4;", "STAGES = 8;")(draft);
      return {
        ...deeper,
        launches: deeper.launches.map((launch) => ({ ...launch, smemBytes: Number(launch.smemBytes) * 2 })),
      };
    },
  },
  {
    id: "too-many-warps",
    template: "wmma-shared",
    idea: "more warps per block",
    expect: "launch_error",
    options: { bm: 128, bn: 128, warpsM: 4, warpsN: 2, copy: "plain", bounds: false },
    edit: (draft) => {
      const wider = edit("WARPS_M = 4, WARPS_N = 2", "WARPS_M = 8, WARPS_N = 8")(draft);
      return {
        ...wider,
        launches: wider.launches.map((launch) => ({ ...launch, block: [2048, 1, 1] as const, smemBytes: 65536 })),
      };
    },
  },
  {
    id: "row-offset",
    template: "mma-sync",
    idea: "hoist the tile's base pointer",
    expect: "incorrect",
    edit: edit("a + (size_t)by * BM * K;", "a + (size_t)by * BM * K * K;"),
  },
  {
    id: "waits-for-peers",
    template: "split-k",
    idea: "let the last pass wait for the slices",
    expect: "timeout",
    options: { slices: 2, combine: "workspace", finish: "plain" },
    edit: edit(
      "  float sum = 0.0f;\n",
      "  const volatile unsigned* ready = (const volatile unsigned*)parts + 4 * (size_t)(M * N) - 1;\n  while (*ready != gridDim.x) {}\n  float sum = 0.0f;\n",
    ),
  },
  {
    id: "fragment-halves",
    template: "mma-sync",
    idea: "load both operands with one address pattern",
    expect: "incorrect",
    options: widePart,
    edit: edit(
      "wc + j * 8 + ((lane >> 4) << 3) + (lane & 7), kk / 8 + ((lane >> 3) & 1)",
      "wc + j * 8 + (lane & 15), kk / 8 + (lane >> 4)",
    ),
  },
  {
    id: "group-stride",
    template: "wgmma",
    idea: "pack the row groups",
    expect: "incorrect",
    edit: edit("(64ull << 32)", "(32ull << 32)"),
  },
  {
    id: "leading-dimension",
    template: "wmma-shared",
    idea: "pad the rows against bank conflicts",
    expect: "incorrect",
    options: { pad: true },
    edit: edit("* 16 * LD + kk, LD);", "* 16 * LD + kk, BK);"),
  },
  {
    id: "weights-overlap",
    template: "converted",
    idea: "put the weights behind the activations",
    expect: "incorrect",
    edit: (draft) => ({
      ...draft,
      launches: draft.launches.map((launch, index) =>
        index === 1 ? { ...launch, args: ["b", "workspace", { i32: 4096 }] } : launch,
      ),
    }),
  },
  {
    id: "half-sums",
    template: "tile",
    idea: "keep the sum in half precision",
    expect: "incorrect",
    options: { early: false, double: false, flipB: false, tile: 16 },
    edit: (draft) => {
      const halves = edit("float acc = 0.0f;", "half acc = __float2half(0.0f);")(draft);
      const added = edit(
        "acc += __half2float(wa[ty][i]) * __half2float(wb[tx][i]);",
        "acc = __hfma(wa[ty][i], wb[tx][i], acc);",
      )(halves);
      return edit("= __float2half(acc);", "= acc;")(added);
    },
  },
];
