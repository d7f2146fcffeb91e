import { repeat } from "../kit/code.ts";

export type Width = 1 | 2 | 4 | 8;
export type Convert = "pairs" | "singles" | "low-high";

export const vectorOf = (width: Width): string => ({ 1: "__half", 2: "__half2", 4: "uint2", 8: "uint4" })[width];

/** `add_row(sum, pack)` adds a pack of halves to `width` floats; `to_pack(sum)` rounds them to a pack. */
export function packCode(width: Width, convert: Convert): string {
  const type = vectorOf(width);
  if (width === 1)
    return `
    __device__ __forceinline__ void add_row(float (&sum)[1], __half pack) {
      sum[0] += __half2float(pack);
    }

    __device__ __forceinline__ __half to_pack(const float (&sum)[1]) {
      return __float2half(sum[0]);
    }
  `;
  const pairs = width / 2;
  const view =
    width === 2 ? "const __half2* h = &pack;" : "const __half2* h = reinterpret_cast<const __half2*>(&pack);";
  const bodies = {
    pairs: `
      ${view}
      #pragma unroll
      for (int k = 0; k < ${pairs}; ++k) {
        const float2 f = __half22float2(h[k]);
        sum[2 * k] += f.x;
        sum[2 * k + 1] += f.y;
      }`,
    singles: `
      const __half* h = reinterpret_cast<const __half*>(&pack);
      #pragma unroll
      for (int k = 0; k < ${width}; ++k) sum[k] += __half2float(h[k]);`,
    "low-high": `
      ${view}
      ${repeat(pairs, (k) => `sum[${2 * k}] += __low2float(h[${k}]);\nsum[${2 * k + 1}] += __high2float(h[${k}]);`)}`,
  };
  const rounded = repeat(pairs, (k) => `__floats2half2_rn(sum[${2 * k}], sum[${2 * k + 1}])`, ", ");
  const pack =
    width === 2
      ? "return __floats2half2_rn(sum[0], sum[1]);"
      : `__align__(16) __half2 r[${pairs}] = {${rounded}};\nreturn *reinterpret_cast<${type}*>(r);`;
  return `
    __device__ __forceinline__ void add_row(float (&sum)[${width}], ${type} pack) {
      ${bodies[convert]}
    }

    __device__ __forceinline__ ${type} to_pack(const float (&sum)[${width}]) {
      ${pack}
    }
  `;
}

/** A loop over a bag's indices that keeps `flight` rows in flight; `row` gives the pack that belongs to an index. */
export function bagLoop(
  flight: number,
  style: "array" | "named" | "pragma",
  parts: {
    from: string;
    to: string;
    step: number;
    type: string;
    index: (i: string) => string;
    row: (index: string) => string;
  },
): string {
  const { from, to, step, type, index, row } = parts;
  const strided = (k: number): string => (step === 1 ? `i + ${k}` : `i + ${k * step}`);
  const single = `
      for (int i = ${from}; i < ${to}; i += ${step}) {
        add_row(sum, ${row(index("i"))});
      }`;
  if (flight === 1) return single;
  if (style === "pragma") return `#pragma unroll ${flight}${single}`;
  const tail = `
      for (; i < ${to}; i += ${step}) {
        add_row(sum, ${row(index("i"))});
      }`;
  const body =
    style === "named"
      ? `
        ${repeat(flight, (k) => `const ${type} r${k} = ${row(index(strided(k)))};`)}
        ${repeat(flight, (k) => `add_row(sum, r${k});`)}`
      : `
        ${type} r[${flight}];
        #pragma unroll
        for (int k = 0; k < ${flight}; ++k) r[k] = ${row(index(step === 1 ? "i + k" : `i + ${step} * k`))};
        #pragma unroll
        for (int k = 0; k < ${flight}; ++k) add_row(sum, r[k]);`;
  return `
      int i = ${from};
      for (; i + ${(flight - 1) * step} < ${to}; i += ${flight * step}) {
        ${body}
      }
      ${tail}`;
}

export const include = "#include <cuda_fp16.h>\n";
