import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { args, columns, depth, gateFunction, parameters, rows, type } from "./parts.ts";

const options = {
  layout: ["linear", "swizzled", "padded"],
  copy: ["async", "registers"],
  weights: ["together", "in turn"],
  ahead: [false, true],
  order: ["rows", "bands"],
  store: ["direct", "board"],
  silu: ["divide", "fdividef", "reciprocal"],
  bounded: [true, false],
  bm: [128, 64],
  bn: [64, 128, 32],
  bk: [32, 64],
  warpsM: [2, 4],
  warpsN: [2, 4, 1],
  stages: [3, 4, 2],
} as const;
type Options = Chosen<typeof options>;

function stageElements(o: Options): number {
  const pad = o.layout === "padded" ? 8 : 0;
  return o.bm * (o.bk + pad) + 2 * o.bk * (o.bn + pad);
}

function sharedBytes(o: Options): number {
  const ring = 2 * stageElements(o) * (o.copy === "async" ? o.stages : 2);
  return o.store === "board" ? Math.max(ring, 2 * o.bm * (o.bn + 8)) : ring;
}

/** Element offsets of 16-byte chunks in the tiles of x and of the weights. */
function places(o: Options): string {
  const bodies = {
    linear: ["r * BK + c * 8", "r * BN + c * 8"],
    padded: ["r * (BK + 8) + c * 8", "r * (BN + 8) + c * 8"],
    swizzled: [
      o.bk === 64 ? "r * BK + (c ^ (r & 7)) * 8" : "r * BK + (c ^ ((r >> 1) & 3)) * 8",
      o.bn === 32 ? "r * BN + (c ^ ((r >> 1) & 3)) * 8" : "r * BN + (c ^ (r & 7)) * 8",
    ],
  }[o.layout];
  return `__device__ __forceinline__ int x_place(int r, int c) {\nreturn ${bodies[0] ?? ""};\n}
    __device__ __forceinline__ int w_place(int r, int c) {\nreturn ${bodies[1] ?? ""};\n}`;
}

const instructions = `__device__ __forceinline__ void load_x(unsigned (&f)[4], const __nv_bfloat16* at) {
      const unsigned address = (unsigned)__cvta_generic_to_shared(at);
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3]) : "r"(address) : "memory");
    }
    __device__ __forceinline__ void load_w(unsigned (&f)[2], unsigned (&g)[2], const __nv_bfloat16* at) {
      const unsigned address = (unsigned)__cvta_generic_to_shared(at);
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(f[0]), "=r"(f[1]), "=r"(g[0]), "=r"(g[1]) : "r"(address) : "memory");
    }
    __device__ __forceinline__ void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }`;

/** Fragment loads of one step of 16 along k. */
function fragmentLoads(o: Options, slot: string, kk: string, which: readonly number[]): string {
  const weights = which
    .map(
      (w) =>
        `load_w(fw[${w}]${slot}[j], fw[${w}]${slot}[j + 1], tw + ${w} * BK * LDW + w_place(${kk} + (lane & 15), (wc + j * 8) / 8 + (lane >> 4)));`,
    )
    .join("\n");
  return `#pragma unroll
    for (int i = 0; i < MI; ++i) load_x(fx${slot}[i], tx + x_place(wr + i * 16 + (lane & 15), ${kk} / 8 + (lane >> 4)));
    #pragma unroll
    for (int j = 0; j < NI; j += 2) {
      ${weights}
    }`;
}

function products(o: Options, slot: string, which: readonly number[]): string {
  const sums = ["gate", "value"];
  return `#pragma unroll
    for (int i = 0; i < MI; ++i)
      #pragma unroll
      for (int j = 0; j < NI; ++j) {
        ${which.map((w) => `multiply(${sums[w] ?? ""}[i][j], fx${slot}[i], fw[${w}]${slot}[j]);`).join("\n")}
      }`;
}

function useStage(o: Options): string {
  if (o.ahead)
    return `unsigned fx[2][MI][4], fw[2][2][NI][2];
      ${fragmentLoads(o, "[0]", "0", [0, 1])}
      #pragma unroll
      for (int kk = 0; kk < BK; kk += 16) {
        const int now = kk / 16 & 1;
        if (kk + 16 < BK) {
          ${fragmentLoads(o, "[now ^ 1]", "(kk + 16)", [0, 1])}
        }
        ${products(o, "[now]", [0, 1])}
      }`;
  const together = `${fragmentLoads(o, "", "kk", [0, 1])}\n${products(o, "", [0, 1])}`;
  const turns = `${fragmentLoads(o, "", "kk", [0])}
    ${products(o, "", [0])}
    #pragma unroll
    for (int j = 0; j < NI; j += 2) load_w(fw[1][j], fw[1][j + 1], tw + BK * LDW + w_place(kk + (lane & 15), (wc + j * 8) / 8 + (lane >> 4)));
    ${products(o, "", [1])}`;
  return `#pragma unroll
    for (int kk = 0; kk < BK; kk += 16) {
      unsigned fx[MI][4], fw[2][NI][2];
      ${o.weights === "together" ? together : turns}
    }`;
}

/** The loop over stages: a ring filled by cp.async, or two buffers filled through registers. */
function stageLoop(o: Options): string {
  if (o.copy === "async")
    return `#pragma unroll
      for (int s = 0; s < STAGES - 1; ++s) {
        fetch_stage(ring + s * STAGE, x0, g0, v0, s * BK);
        __pipeline_commit();
      }
      for (int t = 0; t < K / BK; ++t) {
        __pipeline_wait_prior(STAGES - 2);
        __syncthreads();
        const int next = t + STAGES - 1;
        if (next < K / BK) fetch_stage(ring + next % STAGES * STAGE, x0, g0, v0, next * BK);
        __pipeline_commit();
        const __nv_bfloat16* tx = ring + t % STAGES * STAGE;
        const __nv_bfloat16* tw = tx + BM * LDX;
        ${useStage(o)}
      }`;
  return `uint4 keep[PIECES];
    take_stage(keep, x0, g0, v0, 0);
    for (int t = 0; t < K / BK; ++t) {
      __nv_bfloat16* stage = ring + (t & 1) * STAGE;
      put_stage(stage, keep);
      __syncthreads();
      if (t + 1 < K / BK) take_stage(keep, x0, g0, v0, (t + 1) * BK);
      const __nv_bfloat16* tx = stage;
      const __nv_bfloat16* tw = tx + BM * LDX;
      ${useStage(o)}
    }`;
}

function stageCopies(o: Options): string {
  const given = "const __nv_bfloat16* x0, const __nv_bfloat16* g0, const __nv_bfloat16* v0, int k0";
  if (o.copy === "async")
    return `__device__ __forceinline__ void fetch_stage(__nv_bfloat16* stage, ${given}) {
      #pragma unroll
      for (int u = 0; u < XP; ++u) {
        const int e = threadIdx.x + u * NT, r = e / (BK / 8), c = e % (BK / 8);
        __pipeline_memcpy_async(stage + x_place(r, c), x0 + (size_t)r * K + k0 + c * 8, 16);
      }
      #pragma unroll
      for (int u = 0; u < WP; ++u) {
        const int e = threadIdx.x + u * NT, r = e / (BN / 8), c = e % (BN / 8);
        __pipeline_memcpy_async(stage + BM * LDX + w_place(r, c), g0 + (size_t)(k0 + r) * N + c * 8, 16);
        __pipeline_memcpy_async(stage + BM * LDX + BK * LDW + w_place(r, c), v0 + (size_t)(k0 + r) * N + c * 8, 16);
      }
    }`;
  return `constexpr int PIECES = XP + 2 * WP;

    __device__ __forceinline__ void take_stage(uint4 (&keep)[PIECES], ${given}) {
      #pragma unroll
      for (int u = 0; u < XP; ++u) {
        const int e = threadIdx.x + u * NT;
        keep[u] = *reinterpret_cast<const uint4*>(x0 + (size_t)(e / (BK / 8)) * K + k0 + e % (BK / 8) * 8);
      }
      #pragma unroll
      for (int u = 0; u < WP; ++u) {
        const int e = threadIdx.x + u * NT;
        const size_t at = (size_t)(k0 + e / (BN / 8)) * N + e % (BN / 8) * 8;
        keep[XP + u] = *reinterpret_cast<const uint4*>(g0 + at);
        keep[XP + WP + u] = *reinterpret_cast<const uint4*>(v0 + at);
      }
    }
    __device__ __forceinline__ void put_stage(__nv_bfloat16* stage, const uint4 (&keep)[PIECES]) {
      #pragma unroll
      for (int u = 0; u < XP; ++u) {
        const int e = threadIdx.x + u * NT;
        *reinterpret_cast<uint4*>(stage + x_place(e / (BK / 8), e % (BK / 8))) = keep[u];
      }
      #pragma unroll
      for (int u = 0; u < WP; ++u) {
        const int e = threadIdx.x + u * NT;
        __nv_bfloat16* to = stage + BM * LDX + w_place(e / (BN / 8), e % (BN / 8));
        *reinterpret_cast<uint4*>(to) = keep[XP + u];
        *reinterpret_cast<uint4*>(to + BK * LDW) = keep[XP + WP + u];
      }
    }`;
}

function epilogue(o: Options): string {
  const pair = (k: number): string =>
    `__floats2bfloat162_rn(gated(gate[i][j][${k}], value[i][j][${k}]), gated(gate[i][j][${k + 1}], value[i][j][${k + 1}]))`;
  const write = (base: string, stride: string): string => `#pragma unroll
    for (int i = 0; i < MI; ++i) {
      #pragma unroll
      for (int j = 0; j < NI; ++j) {
        __nv_bfloat16* to = ${base};
        *reinterpret_cast<__nv_bfloat162*>(to) = ${pair(0)};
        *reinterpret_cast<__nv_bfloat162*>(to + 8 * ${stride}) = ${pair(2)};
      }
    }`;
  if (o.store === "direct")
    return write("y + (size_t)(row0 + wr + i * 16 + lane / 4) * N + col0 + wc + j * 8 + lane % 4 * 2", "N");
  return `__syncthreads();
    ${write("ring + (wr + i * 16 + lane / 4) * (BN + 8) + wc + j * 8 + lane % 4 * 2", "(BN + 8)")}
    __syncthreads();
    for (int e = threadIdx.x; e < BM * BN / 8; e += NT) {
      const int r = e / (BN / 8), c = e % (BN / 8) * 8;
      *reinterpret_cast<uint4*>(y + (size_t)(row0 + r) * N + col0 + c) = *reinterpret_cast<const uint4*>(ring + r * (BN + 8) + c);
    }`;
}

function valid(o: Options): boolean {
  const threads = o.warpsM * o.warpsN * 32;
  const [mi, ni] = [o.bm / o.warpsM / 16, o.bn / o.warpsN / 8];
  const whole =
    mi >= 1 && ni >= 2 && ni % 2 === 0 && (o.bm * o.bk) % (8 * threads) === 0 && (o.bn * o.bk) % (8 * threads) === 0;
  return (
    whole && mi * ni >= 4 && mi * ni <= 16 && sharedBytes(o) <= 220 * 1024 && (!o.ahead || o.weights === "together")
  );
}

/** mma.sync on fragments from ldmatrix; the weights are transposed on their way into registers. */
export const mmaFused: Template = template({
  id: "mma-fused",
  from: "wmma-tiled",
  idea: "issue mma.sync directly, with ldmatrix, a ring of stages and the gate in registers",
  options,
  valid,
  count: 22,
  write: (o) => {
    const threads = o.warpsM * o.warpsN * 32;
    const pad = on(o.layout === "padded", " + 8");
    const source = `
      #include <cuda_bf16.h>
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      constexpr int N = ${columns}, K = ${depth};
      constexpr int BM = ${o.bm}, BN = ${o.bn}, BK = ${o.bk};
      constexpr int WARPS_N = ${o.warpsN}, NT = ${threads};
      constexpr int WM = BM / ${o.warpsM}, WN = BN / WARPS_N, MI = WM / 16, NI = WN / 8;
      constexpr int LDX = BK${pad}, LDW = BN${pad}, STAGE = BM * LDX + 2 * BK * LDW;
      constexpr int XP = BM * BK / 8 / NT, WP = BK * BN / 8 / NT;
      ${on(o.copy === "async", `constexpr int STAGES = ${o.stages};`)}

      ${gateFunction(o.silu)}

      ${places(o)}

      ${instructions}

      ${stageCopies(o)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}gated_mma(${parameters(true)}) {
        extern __shared__ __align__(128) unsigned char bytes[];
        __nv_bfloat16* ring = reinterpret_cast<${type}*>(bytes);
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int wr = warp / WARPS_N * WM, wc = warp % WARPS_N * WN;
        ${
          o.order === "bands"
            ? "const int serial = blockIdx.x + blockIdx.y * gridDim.x;\nconst int row0 = (serial / (8 * gridDim.x) * 8 + serial % 8) * BM, col0 = serial / 8 % gridDim.x * BN;"
            : "const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;"
        }
        const ${type}* x0 = x + (size_t)row0 * K;
        const ${type}* g0 = w1 + col0;
        const ${type}* v0 = w2 + col0;
        float gate[MI][NI][4] = {}, value[MI][NI][4] = {};
        ${stageLoop(o)}
        ${epilogue(o)}
      }
    `;
    return styled(
      { source, launches: [launch("gated_mma", [columns / o.bn, rows / o.bm], threads, args, sharedBytes(o))] },
      { names: "snake", indent: 2 },
    );
  },
});
