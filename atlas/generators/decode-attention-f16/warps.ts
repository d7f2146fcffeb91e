import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { combineKernel, combineLaunch, partials, power, scaleOf, type Exponential } from "./common.ts";

/** A warp walks its share of the keys with a running softmax; each lane owns four dimensions. */
export const warpWalk: Template = template({
  id: "warp-walk",
  from: "three-passes",
  idea: "Give each warp a share of a head's keys, four dimensions to a lane, and keep a running softmax in registers.",
  options: {
    batch: ["one", "two", "four", "eight"],
    walk: ["contiguous", "interleaved"],
    rescale: ["always", "when-larger", "vote"],
    ahead: [false, true],
    merge: ["slots", "block"],
    combine: ["two-loops", "shared-weights", "running", "quads"],
    layout: ["packed", "separate"],
    exp: ["fast", "expf", "exp2"],
    warps: [4, 8, 2],
    shares: [16, 32, 64, 8],
    loads: ["plain", "ldg", "streaming"],
  },
  valid: ({ merge, warps, shares }) => merge === "slots" || (warps > 1 && shares * warps <= 256),
  count: 44,
  write: (options, sizes) => {
    const { batch, walk, rescale, ahead, merge, combine, layout, exp, warps, shares, loads } = options;
    const { heads = 0, seq = 0 } = sizes;
    const blocks = merge === "slots" ? shares / warps : shares;
    const walkers = merge === "slots" ? shares : shares * warps;
    const keys = { one: 1, two: 2, four: 4, eight: 8 }[batch];
    const load = (at: string): string =>
      ({
        plain: at.replace("@", "[").replace("$", "]"),
        ldg: `__ldg(&${at.replace("@", "[").replace("$", "]")})`,
        streaming: `__ldcs(&${at.replace("@", "[").replace("$", "]")})`,
      })[loads];
    const position = walk === "contiguous" ? "walker * SHARE + i + b" : "(i + b) * WALKERS + walker";
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, merge === "slots" ? shares : blocks, sizes)}
      constexpr int WARPS = ${warps};
      constexpr int WALKERS = ${walkers};  // per head
      constexpr int SHARE = ${seq / walkers};
      constexpr int BATCH = ${keys};

      __device__ __forceinline__ float4 widen(uint2 raw) {
        float2 low = __half22float2(*reinterpret_cast<half2*>(&raw.x));
        float2 high = __half22float2(*reinterpret_cast<half2*>(&raw.y));
        return make_float4(low.x, low.y, high.x, high.y);
      }

      extern "C" __global__ void walk_keys(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* work) {
        int lane = threadIdx.x & 31;
        int warp = threadIdx.x >> 5;
        int head = blockIdx.y;
        int walker = blockIdx.x * WARPS + warp;
        const uint2* keys = reinterpret_cast<const uint2*>(k + (size_t)head * ${seq} * DIM) + lane;
        const uint2* values = reinterpret_cast<const uint2*>(v + (size_t)head * ${seq} * DIM) + lane;
        float4 a = widen(reinterpret_cast<const uint2*>(q + head * DIM)[lane]);
        float4 acc = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        float top = -1.0e30f, sum = 0.0f;
        for (int i = 0; i < SHARE; i += BATCH) {
          uint2 key[BATCH]${on(ahead, ", value[BATCH]")};
          float dot[BATCH];
          #pragma unroll
          for (int b = 0; b < BATCH; ++b) {
            size_t at = (size_t)(${position}) * 32;
            key[b] = ${load("keys@at$")};
            ${on(ahead, `value[b] = ${load("values@at$")};`)}
          }
          #pragma unroll
          for (int b = 0; b < BATCH; ++b) {
            float4 c = widen(key[b]);
            dot[b] = a.x * c.x + a.y * c.y + a.z * c.z + a.w * c.w;
            #pragma unroll
            for (int step = 16; step > 0; step >>= 1) dot[b] += __shfl_xor_sync(0xffffffffu, dot[b], step);
            dot[b] *= ${scaleOf(exp)};
          }
          ${rescaling(rescale, exp)}
          #pragma unroll
          for (int b = 0; b < BATCH; ++b) {
            float p = ${power(exp, "dot[b] - top")};
            ${on(!ahead, `uint2 raw = ${load(`values@(size_t)(${position}) * 32$`)};`)}
            float4 c = widen(${ahead ? "value[b]" : "raw"});
            sum += p;
            acc.x += p * c.x;
            acc.y += p * c.y;
            acc.z += p * c.z;
            acc.w += p * c.w;
          }
        }
        ${merge === "slots" ? storeSlot("head * SPLITS + walker") : mergeWarps(exp)}
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("walk_keys", [blocks, heads], warps * 32, ["q", "k", "v", "work"]),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

function rescaling(rescale: "always" | "when-larger" | "vote", exp: Exponential): string {
  const larger = `
    float next = top;
    for (int b = 0; b < BATCH; ++b) next = fmaxf(next, dot[b]);`;
  const scale = `
    float keep = ${power(exp, "top - next")};
    sum *= keep;
    acc.x *= keep;
    acc.y *= keep;
    acc.z *= keep;
    acc.w *= keep;
    top = next;`;
  if (rescale === "always") return `${larger}\n${scale}`;
  const condition = rescale === "vote" ? "__any_sync(0xffffffffu, next > top)" : "next > top";
  return `${larger}\nif (${condition}) {\n${scale}\n}`;
}

const storeSlot = (slot: string): string => `
  int slot = ${slot};
  ACC(slot, 4 * lane) = acc.x;
  ACC(slot, 4 * lane + 1) = acc.y;
  ACC(slot, 4 * lane + 2) = acc.z;
  ACC(slot, 4 * lane + 3) = acc.w;
  if (lane == 0) {
    TOP(slot) = top;
    SUM(slot) = sum;
  }`;

function mergeWarps(exp: Exponential): string {
  return `
    __shared__ float tops[WARPS], sums[WARPS];
    __shared__ float4 accs[WARPS][32];
    if (lane == 0) {
      tops[warp] = top;
      sums[warp] = sum;
    }
    accs[warp][lane] = acc;
    __syncthreads();
    if (warp == 0) {
      for (int w = 1; w < WARPS; ++w) top = fmaxf(top, tops[w]);
      sum = 0.0f;
      acc = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      for (int w = 0; w < WARPS; ++w) {
        float keep = ${power(exp, "tops[w] - top")};
        float4 other = accs[w][lane];
        sum += keep * sums[w];
        acc.x += keep * other.x;
        acc.y += keep * other.y;
        acc.z += keep * other.z;
        acc.w += keep * other.w;
      }
      ${storeSlot("head * SPLITS + blockIdx.x")}
    }`;
}
