import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft } from "../kit/generator.ts";
import { launch } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export const batchOf = (sizes: Sizes): number => sizes["batch"] as number;

export const searches = ["pairs", "ballot", "redux", "packed"] as const;
export type Search = (typeof searches)[number];

/**
 * Statements that declare `p`, the lane whose `value` is largest; values are 0 in lanes that do not compete.
 * `width` lanes take part together.
 */
export function findPivot(search: Search, value: string): string {
  if (search === "pairs")
    return `float top = ${value};
    int p = lane;
    #pragma unroll
    for (int o = 16; o > 0; o >>= 1) {
      const float other = __shfl_xor_sync(0xffffffffu, top, o);
      const int who = __shfl_xor_sync(0xffffffffu, p, o);
      if (other > top || (other == top && who < p)) {
        top = other;
        p = who;
      }
    }`;
  if (search === "ballot")
    return `const float mine = ${value};
    float top = mine;
    #pragma unroll
    for (int o = 16; o > 0; o /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, o));
    const int p = __ffs(__ballot_sync(0xffffffffu, mine == top)) - 1;`;
  if (search === "redux")
    return `const unsigned bits = __float_as_uint(${value});
    const unsigned top = __reduce_max_sync(0xffffffffu, bits);
    const int p = __ffs(__ballot_sync(0xffffffffu, bits == top)) - 1;`;
  return `const unsigned key = (__float_as_uint(${value}) & ~31u) | (unsigned)lane;
    const int p = __reduce_max_sync(0xffffffffu, key) & 31;`;
}

/** Names of a tile's entries while a warp fills or empties it. */
export type Fill = "rows" | "quads" | "async";

/** Statements by which a warp copies its matrix from `src` into the tile `s`. */
export function fillTile(fill: Fill, wide: boolean): string {
  if (fill === "rows") return `for (int r = 0; r < 32; ++r) s[r][lane] = src[r * 32 + lane];`;
  if (fill === "async")
    return `for (int r = 0; r < 32; ++r) __pipeline_memcpy_async(&s[r][lane], src + r * 32 + lane, 4);
    __pipeline_commit();
    __pipeline_wait_prior(0);`;
  return `for (int i = lane; i < 256; i += 32) {
      const float4 q = reinterpret_cast<const float4*>(src)[i];
      ${wide ? "*reinterpret_cast<float4*>(&s[i / 8][i % 8 * 4]) = q;" : "float* at = &s[i / 8][i % 8 * 4];\nat[0] = q.x; at[1] = q.y; at[2] = q.z; at[3] = q.w;"}
    }`;
}

export const pipelineHeader = (fill: Fill): string => (fill === "async" ? "#include <cuda_pipeline.h>\n\n" : "");

/** A draft with one launch over a, lu and perm. */
export function single(
  source: string,
  kernel: string,
  grid: number,
  block: number | readonly [number, number],
  scalars: Launch["args"] = [],
  smemBytes = 0,
): KernelDraft {
  return { source, launches: [launch(kernel, grid, block, ["a", "lu", "perm", ...scalars], smemBytes)] };
}
