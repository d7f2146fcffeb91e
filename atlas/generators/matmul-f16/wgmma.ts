import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { asyncCopy, blockOrder, dimensions, numberOf, single, when, type Sizes } from "./common.ts";

/** The asm statement of one wgmma of 64 x BN x 16 on `acc`, with A from shared memory or from registers. */
function wgmmaFunction(bn: number, fromRegisters: boolean): string {
  const count = bn / 2;
  const lines: string[] = [];
  for (let start = 0; start < count; start += 16)
    lines.push(
      `    "${Array.from({ length: 16 }, (_, index) => `%${start + index}`).join(", ")}${start + 16 < count ? ", " : "}, "}"`,
    );
  const outputs: string[] = [];
  for (let start = 0; start < count; start += 8)
    outputs.push(`      ${Array.from({ length: 8 }, (_, index) => `"+f"(d[${start + index}])`).join(", ")}`);
  const name = `wgmma.mma_async.sync.aligned.m64n${bn}k16.f32.f16.f16`;
  if (fromRegisters)
    return `__device__ __forceinline__ void wgmma_step(float (&d)[${count}], const unsigned* fa, unsigned long long db) {
  asm volatile("{\\n.reg .pred p;\\nsetp.ne.b32 p, %${count + 5}, 0;\\n${name} {"
${lines.join("\n")}
    "{%${count}, %${count + 1}, %${count + 2}, %${count + 3}}, %${count + 4}, p, 1, 1, 0;\\n}"
    :
${outputs.join(",\n")}
    : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "l"(db), "r"(1));
}
`;
  return `__device__ __forceinline__ void wgmma_step(float (&d)[${count}], unsigned long long da, unsigned long long db) {
  asm volatile("{\\n.reg .pred p;\\nsetp.ne.b32 p, %${count + 2}, 0;\\n${name} {"
${lines.join("\n")}
    "%${count}, %${count + 1}, p, 1, 1, 0, 0;\\n}"
    :
${outputs.join(",\n")}
    : "l"(da), "l"(db), "r"(1));
}
`;
}

const fences = `__device__ __forceinline__ void wgmma_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int LEFT>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(LEFT) : "memory");
}
__device__ __forceinline__ void publish_shared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Matrix descriptor of a K-major tile with 128-byte rows in the 128-byte swizzle.
__device__ __forceinline__ unsigned long long tile_descriptor(unsigned addr) {
  return (unsigned long long)((addr & 0x3FFFF) >> 4) | (1ull << 16) | (64ull << 32) | (1ull << 62);
}
`;

function copyFunction(o: Options): string {
  const body = (rows: string, src: string, offset: string): string => `    const int r = e >> 3, ch = e & 7;
    copy_async(slot${offset} + r * 128 + ((ch ^ (r & 7)) << 4), ${src} + (size_t)r * K + k0 + ch * 8);`;
  if (o["copies"] === "pointer")
    return `// Each thread keeps to one chunk column; rows advance by a fixed stride.
__device__ __forceinline__ void load_stage(unsigned slot, const half* ag, const half* bg, int k0) {
  const int ch = threadIdx.x & 7, r0 = threadIdx.x >> 3;
  const half* pa = ag + (size_t)r0 * K + k0 + ch * 8;
  const half* pb = bg + (size_t)r0 * K + k0 + ch * 8;
  const unsigned dst = slot + r0 * 128 + ((ch ^ (r0 & 7)) << 4);
  #pragma unroll
  for (int u = 0; u < BM / (NT / 8); ++u) copy_async(dst + u * (NT / 8) * 128, pa + (size_t)u * (NT / 8) * K);
  #pragma unroll
  for (int u = 0; u < BN / (NT / 8); ++u) copy_async(dst + BM * 128 + u * (NT / 8) * 128, pb + (size_t)u * (NT / 8) * K);
}
`;
  return `__device__ __forceinline__ void load_stage(unsigned slot, const half* ag, const half* bg, int k0) {
  #pragma unroll
  for (int e = threadIdx.x; e < BM * 8; e += NT) {
${body("BM", "ag", "")}
  }
  #pragma unroll
  for (int e = threadIdx.x; e < BN * 8; e += NT) {
${body("BN", "bg", " + BM * 128")}
  }
}
`;
}

function issue(o: Options): string {
  if (o["operandA"] === "registers")
    return `    unsigned fa[4][4];
    #pragma unroll
    for (int kk = 0; kk < 4; ++kk) {
      const int r = group * 64 + warp % 4 * 16 + (lane & 15), ch = kk * 2 + (lane >> 4);
      const unsigned at = slot + r * 128 + ((ch ^ (r & 7)) << 4);
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(fa[kk][0]), "=r"(fa[kk][1]), "=r"(fa[kk][2]), "=r"(fa[kk][3]) : "r"(at) : "memory");
    }
    const unsigned long long db = tile_descriptor(slot + BM * 128);
    wgmma_begin();
    #pragma unroll
    for (int kk = 0; kk < 4; ++kk) wgmma_step(acc, fa[kk], db + 2 * kk);
    wgmma_commit();`;
  return `    const unsigned long long da = tile_descriptor(slot + group * 8192), db = tile_descriptor(slot + BM * 128);
    wgmma_begin();
    #pragma unroll
    for (int kk = 0; kk < 4; ++kk) wgmma_step(acc, da + 2 * kk, db + 2 * kk);
    wgmma_commit();`;
}

/** With `overlap` a product stays in flight while the next tile is awaited, so the ring fills one slot less ahead. */
function mainLoop(o: Options): string {
  const overlap = Boolean(o["overlap"]);
  const distance = overlap ? "STAGES - 2" : "STAGES - 1";
  const load = `    const int ahead = t + ${distance};
    if (ahead < STEPS) load_stage(base + ahead % STAGES * STAGE_BYTES, ag, bg, ahead * 64);
    copy_commit();`;
  const early = o["order"] === "copy-first";
  const before = overlap ? "" : "    wgmma_wait<0>();\n";
  const after = overlap ? "    wgmma_wait<1>();\n" : "";
  return `  for (int s = 0; s < ${distance}; ++s) {
    load_stage(base + s * STAGE_BYTES, ag, bg, s * 64);
    copy_commit();
  }
  for (int t = 0; t < STEPS; ++t) {
    copy_wait<${distance} - 1>();
    publish_shared();
${before}    __syncthreads();
${when(early, `${load}\n`)}    const unsigned slot = base + t % STAGES * STAGE_BYTES;
${issue(o)}
${after}${when(!early, `${load}\n`)}  }
  wgmma_wait<0>();`;
}

function epilogue(o: Options): string {
  if (o["store"] === "direct")
    return `  half* out = c + (size_t)(by * BM + group * 64 + warp % 4 * 16 + lane / 4) * N + bx * BN + lane % 4 * 2;
  #pragma unroll
  for (int j = 0; j < BN / 8; ++j) {
    *(half2*)(out + j * 8) = __floats2half2_rn(acc[4 * j], acc[4 * j + 1]);
    *(half2*)(out + 8 * N + j * 8) = __floats2half2_rn(acc[4 * j + 2], acc[4 * j + 3]);
  }`;
  return `  __syncthreads();
  half* board = (half*)ring;
  half* at = board + (group * 64 + warp % 4 * 16 + lane / 4) * (BN + 8) + lane % 4 * 2;
  #pragma unroll
  for (int j = 0; j < BN / 8; ++j) {
    *(half2*)(at + j * 8) = __floats2half2_rn(acc[4 * j], acc[4 * j + 1]);
    *(half2*)(at + 8 * (BN + 8) + j * 8) = __floats2half2_rn(acc[4 * j + 2], acc[4 * j + 3]);
  }
  __syncthreads();
  for (int e = threadIdx.x; e < BM * BN / 8; e += NT) {
    const int r = e / (BN / 8), q = e % (BN / 8) * 8;
    *(uint4*)(c + (size_t)(by * BM + r) * N + bx * BN + q) = *(const uint4*)(board + r * (BN + 8) + q);
  }`;
}

function ringBytes(o: Options): number {
  return (Number(o["groups"]) * 64 + Number(o["bn"])) * 128 * Number(o["stages"]);
}

function writeWgmma(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const [groups, bn] = [numberOf(o, "groups"), numberOf(o, "bn")];
  const threads = groups * 128;
  const source = `#include <cuda_fp16.h>

constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${groups * 64}, BN = ${bn}, STAGES = ${numberOf(o, "stages")};
constexpr int NT = ${threads}, STEPS = K / 64, STAGE_BYTES = (BM + BN) * 128;

${asyncCopy}${fences}
${wgmmaFunction(bn, o["operandA"] === "registers")}
${copyFunction(o)}
// One warpgroup per 64 rows of the tile, steps of 64 along k.
extern "C" __global__ void __launch_bounds__(NT) linear_wgmma(const half* __restrict__ a, const half* __restrict__ b, half* __restrict__ c) {
  extern __shared__ __align__(1024) unsigned char ring[];
  const unsigned base = (unsigned)__cvta_generic_to_shared(ring);
${blockOrder(Boolean(o["grouped"]), m / (groups * 64))}
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, group = threadIdx.x >> 7;
  const half* ag = a + (size_t)by * BM * K;
  const half* bg = b + (size_t)bx * BN * K;
  float acc[BN / 2];
  #pragma unroll
  for (int i = 0; i < BN / 2; ++i) acc[i] = 0.0f;
${mainLoop(o)}
${epilogue(o)}
}
`;
  return single("linear_wgmma", source, [n / bn, m / (groups * 64)], [threads, 1], [], ringBytes(o));
}

export const wgmma: Template = {
  id: "wgmma",
  from: "mma-sync",
  count: 43,
  idea: "warpgroup products that read both tiles from swizzled shared memory",
  options: {
    groups: [2, 1, 4],
    bn: [128, 256, 64],
    stages: [4, 3, 5],
    overlap: [false, true],
    order: ["product-first", "copy-first"],
    operandA: ["shared", "registers"],
    copies: ["loop", "pointer"],
    store: ["direct", "board"],
    grouped: [false, true],
  },
  valid: (o) => {
    const perGroup = Number(o["bn"]);
    const board = Number(o["groups"]) * 64 * (perGroup + 8) * 2;
    if (o["overlap"] && o["operandA"] === "registers") return false;
    return (
      ringBytes(o) <= 224 * 1024 &&
      board <= ringBytes(o) &&
      !(Number(o["groups"]) === 4 && perGroup === 256) &&
      (Number(o["stages"]) > 3 || perGroup < 256 || !o["overlap"])
    );
  },
  write: writeWgmma,
};
