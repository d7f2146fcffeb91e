import type { KernelDraft, Mistake } from "../kit/generator.ts";

/** Replaces a piece of the source, wherever it stands; it must be there. */
function edit(from: string, to: string): (draft: KernelDraft) => KernelDraft {
  return (draft) => {
    if (!draft.source.includes(from)) throw new Error(`the source has no ${JSON.stringify(from)}`);
    return { ...draft, source: draft.source.replaceAll(from, to) };
  };
}

/** What every writer of an attention kernel gets wrong at some point. */
export const mistakes: readonly Mistake[] = [
  {
    id: "helper-name",
    template: "flash-mma",
    idea: "shorter helper names",
    expect: "compile_error",
    edit: edit("ldsm4_trans(fv", "ldsm4t(fv"),
  },
  {
    id: "size-name",
    template: "block-per-query",
    idea: "name the row length",
    expect: "compile_error",
    edit: edit("score[S];", "score[seq];"),
  },
  {
    id: "layout-tag",
    template: "flash-wmma",
    idea: "store scores row by row",
    expect: "compile_error",
    edit: edit("LS, wmma::mem_row_major", "LS, wmma::row_major"),
  },
  {
    id: "wide-key-tile",
    template: "flash-scalar",
    idea: "a wider tile of keys",
    expect: "launch_error",
    options: { br: 128, bc: 64, storage: "float", unroll: true },
    edit: (draft) => {
      const wider = edit("BC = 64,", "BC = 192,")(draft);
      return {
        ...wider,
        launches: wider.launches.map((launch) => ({
          ...launch,
          smemBytes: 4 * (64 * 132 + 64 * 196 + 192 * 68 + 128 * 196),
        })),
      };
    },
  },
  {
    id: "many-warps",
    template: "warp-per-query",
    idea: "more warps per block",
    expect: "launch_error",
    options: { warps: 8, rows: 1, lanes: "dims", bounds: false },
    edit: (draft) => {
      const wider = edit("WARPS = 8,", "WARPS = 64,")(draft);
      return {
        ...wider,
        launches: wider.launches.map((launch) => ({
          ...launch,
          grid: [32, 32, 1] as const,
          block: [2048, 1, 1] as const,
        })),
      };
    },
  },
  {
    id: "head-stride",
    template: "warp-per-query",
    idea: "step over whole heads",
    expect: "incorrect",
    edit: edit("(size_t)blockIdx.y * S * D;", "(size_t)blockIdx.y * S * S * D;"),
  },
  {
    id: "no-rescale",
    template: "flash-mma",
    idea: "fewer multiplications per tile",
    expect: "incorrect",
    edit: edit("          acc[m][n][2 * h] *= fade;\n          acc[m][n][2 * h + 1] *= fade;\n", ""),
  },
  {
    id: "values-not-transposed",
    template: "flash-mma",
    idea: "one way to load fragments",
    expect: "incorrect",
    edit: edit("m8n8.x4.trans.shared", "m8n8.x4.shared"),
  },
  {
    id: "mask-own-position",
    template: "flash-scalar",
    idea: "simplify the mask",
    expect: "incorrect",
    edit: edit("> i0 + ty * RT + r) sc[r][c] = -1e30f;", ">= i0 + ty * RT + r) sc[r][c] = -1e30f;"),
  },
  {
    id: "no-scale",
    template: "thread-per-query",
    idea: "fold the scale into the exponential",
    expect: "incorrect",
    options: { exp: "__expf" },
    edit: edit("s * 0.125f", "s"),
  },
  {
    id: "stops-early",
    template: "three-pass",
    idea: "tighten the loop over keys",
    expect: "incorrect",
    options: { extent: "causal", stage: false },
    edit: edit("for (int j = 0; j < i + 1; ++j)", "for (int j = 0; j < i; ++j)"),
  },
  {
    id: "half-the-sum",
    template: "flash-wmma",
    idea: "keep the sum per lane",
    expect: "incorrect",
    edit: edit("  sum += __shfl_xor_sync(0xffffffffu, sum, 1);\n", ""),
  },
];
