import { launch, on } from "../kit/code.ts";
import type { KernelDraft } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;
export type Exponential = "fast" | "expf" | "exp2";
export type Layout = "packed" | "separate";
export type Combine = "two-loops" | "shared-weights" | "running" | "quads";

/** 1 / sqrt(128), times log2(e) where powers of two follow. */
export const scaleOf = (exp: Exponential): string => (exp === "exp2" ? "0.12751743f" : "0.08838835f");

export const power = (exp: Exponential, v: string): string => {
  const call = { fast: "__expf", expf: "expf", exp2: "exp2f" }[exp];
  return `${call}(${v})`;
};

/** Macros for the partial result of a slot: its maximum, its sum, its weighted values. */
export function partials(layout: Layout, splits: number, { heads = 0 }: Sizes): string {
  const places =
    layout === "packed"
      ? `
      #define TOP(slot) work[(slot) * (DIM + 4) + DIM]
      #define SUM(slot) work[(slot) * (DIM + 4) + DIM + 1]
      #define ACC(slot, d) work[(slot) * (DIM + 4) + (d)]`
      : `
      #define TOP(slot) work[slot]
      #define SUM(slot) work[HEADS * SPLITS + (slot)]
      #define ACC(slot, d) work[2 * HEADS * SPLITS + (slot) * DIM + (d)]`;
  return `
    #define DIM 128
    #define HEADS ${heads}
    #define SPLITS ${splits}
    ${places}
  `;
}

/** Statements that combine a head's slots; `d` is this thread's dimension. */
export function combineBody(kind: Combine, exp: Exponential): string {
  const weight = power(exp, "TOP(head * SPLITS + s) - top");
  return {
    "two-loops": `
      float top = TOP(head * SPLITS);
      for (int s = 1; s < SPLITS; ++s) top = fmaxf(top, TOP(head * SPLITS + s));
      float total = 0.0f, value = 0.0f;
      for (int s = 0; s < SPLITS; ++s) {
        float weight = ${weight};
        total += weight * SUM(head * SPLITS + s);
        value += weight * ACC(head * SPLITS + s, d);
      }
      o[head * DIM + d] = __float2half(value / total);`,
    "shared-weights": `
      __shared__ float weights[SPLITS];
      float top = -1.0e30f;
      for (int s = 0; s < SPLITS; ++s) top = fmaxf(top, TOP(head * SPLITS + s));
      for (int s = d; s < SPLITS; s += DIM) weights[s] = ${weight};
      __syncthreads();
      float total = 0.0f, value = 0.0f;
      for (int s = 0; s < SPLITS; ++s) {
        total += weights[s] * SUM(head * SPLITS + s);
        value += weights[s] * ACC(head * SPLITS + s, d);
      }
      o[head * DIM + d] = __float2half_rn(value * (1.0f / total));`,
    running: `
      float top = -1.0e30f, total = 0.0f, value = 0.0f;
      for (int s = 0; s < SPLITS; ++s) {
        float next = fmaxf(top, TOP(head * SPLITS + s));
        float keep = ${power(exp, "top - next")};
        float join = ${power(exp, "TOP(head * SPLITS + s) - next")};
        total = total * keep + join * SUM(head * SPLITS + s);
        value = value * keep + join * ACC(head * SPLITS + s, d);
        top = next;
      }
      o[head * DIM + d] = __float2half(value / total);`,
    quads: `
      float top = -1.0e30f;
      for (int s = 0; s < SPLITS; ++s) top = fmaxf(top, TOP(head * SPLITS + s));
      float total = 0.0f;
      float4 value = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      for (int s = 0; s < SPLITS; ++s) {
        float weight = ${weight};
        float4 part = *reinterpret_cast<const float4*>(&ACC(head * SPLITS + s, 4 * d));
        total += weight * SUM(head * SPLITS + s);
        value.x += weight * part.x;
        value.y += weight * part.y;
        value.z += weight * part.z;
        value.w += weight * part.w;
      }
      float inverse = 1.0f / total;
      half2* out = reinterpret_cast<half2*>(o + head * DIM + 4 * d);
      out[0] = __floats2half2_rn(value.x * inverse, value.y * inverse);
      out[1] = __floats2half2_rn(value.z * inverse, value.w * inverse);`,
  }[kind];
}

export function combineKernel(kind: Combine, exp: Exponential, flat = false): string {
  const place =
    kind === "quads" || !flat
      ? "int head = blockIdx.x;\nint d = threadIdx.x;"
      : "int head = (blockIdx.x * blockDim.x + threadIdx.x) / DIM;\nint d = threadIdx.x % DIM;\nif (head >= HEADS) return;";
  return `
    extern "C" __global__ void combine_splits(const float* work, half* o) {
      ${place}
      ${combineBody(kind, exp)}
    }
  `;
}

export const combineLaunch = (kind: Combine, { heads = 0 }: Sizes): KernelDraft["launches"][number] =>
  launch("combine_splits", heads, kind === "quads" ? 32 : 128, ["work", "o"]);

/** `unpack8(raw, values)`: eight halves of a 16-byte word as floats. */
export function unpack8(kind: "halves" | "pairs" | "union"): string {
  return {
    halves: `
      __device__ __forceinline__ void unpack8(const uint4& raw, float* values) {
        const half* parts = reinterpret_cast<const half*>(&raw);
        #pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = __half2float(parts[i]);
      }`,
    pairs: `
      __device__ __forceinline__ void unpack8(const uint4& raw, float* values) {
        const half2* parts = reinterpret_cast<const half2*>(&raw);
        #pragma unroll
        for (int i = 0; i < 4; ++i) {
          float2 two = __half22float2(parts[i]);
          values[2 * i] = two.x;
          values[2 * i + 1] = two.y;
        }
      }`,
    union: `
      union Word {
        uint4 raw;
        __half2_raw parts[4];
      };

      __device__ __forceinline__ void unpack8(const uint4& raw, float* values) {
        Word word;
        word.raw = raw;
        #pragma unroll
        for (int i = 0; i < 4; ++i) {
          values[2 * i] = __low2float(half2(word.parts[i]));
          values[2 * i + 1] = __high2float(half2(word.parts[i]));
        }
      }`,
  }[kind];
}

/** Block-wide maximum and sum through shared memory; all threads get the result. BLOCK threads. */
export function blockFolds(kind: "shuffle" | "tree"): string {
  const one = (name: string, fold: (a: string, b: string) => string): string =>
    kind === "shuffle"
      ? `
    __device__ float ${name}(float v, float* room) {
      #pragma unroll
      for (int lane = 16; lane > 0; lane /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, v, lane);
        v = ${fold("v", "other")};
      }
      if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = v;
      __syncthreads();
      v = room[0];
      for (int w = 1; w < BLOCK / 32; ++w) v = ${fold("v", "room[w]")};
      __syncthreads();
      return v;
    }`
      : `
    __device__ float ${name}(float v, float* room) {
      room[threadIdx.x] = v;
      __syncthreads();
      for (int half_block = BLOCK / 2; half_block > 0; half_block >>= 1) {
        if (threadIdx.x < half_block) {
          room[threadIdx.x] = ${fold("room[threadIdx.x]", "room[threadIdx.x + half_block]")};
        }
        __syncthreads();
      }
      v = room[0];
      __syncthreads();
      return v;
    }`;
  return `
    ${one("fold_max", (a, b) => `fmaxf(${a}, ${b})`)}

    ${one("fold_sum", (a, b) => `${a} + ${b}`)}
  `;
}

export const unrolled = (unroll: boolean | number): string =>
  typeof unroll === "number" ? on(unroll > 1, `#pragma unroll ${unroll}`) : on(unroll, "#pragma unroll 4");
