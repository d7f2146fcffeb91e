import { launch, on, styled, template } from "../kit/code.ts";

export const asyncHelpers = `// Copies 16 bytes to shared memory, or zeros where the pixel lies outside the image.
__device__ __forceinline__ void async16(unsigned to, const half* from, bool inside) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
__device__ __forceinline__ void close_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> __device__ __forceinline__ void await_groups() {
  asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory");
}
`;

interface PipeChoices {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  readonly warpsM: number;
  readonly warpsN: number;
  readonly stages: number;
  readonly layout: string;
}

const pipeThreads = (o: PipeChoices): number => 32 * o.warpsM * o.warpsN;
const stageBytes = (o: PipeChoices): number => {
  const pad = o.layout === "padded" ? 8 : 0;
  return 2 * (o.bm * (o.bk + pad) + o.bk * (o.bn + pad));
};

/** Byte offsets of eight halves in the two tiles, by row and by chunk of eight. */
function placement(o: PipeChoices): string {
  const swizzleA = o.bk === 64 ? "(chunk ^ (row & 7))" : o.bk === 32 ? "(chunk ^ (row >> 1 & 3))" : "chunk";
  const [a, b] =
    o.layout === "padded"
      ? ["row * (BK + 8) + chunk * 8", "row * (BN + 8) + chunk * 8"]
      : o.layout === "swizzled"
        ? [`row * BK + ${swizzleA} * 8`, "row * BN + (chunk ^ (row & 7)) * 8"]
        : ["row * BK + chunk * 8", "row * BN + chunk * 8"];
  return `__device__ __forceinline__ unsigned place_a(int row, int chunk) { return (${a}) * 2; }
__device__ __forceinline__ unsigned place_b(int row, int chunk) { return (${b}) * 2; }
`;
}

/** The copy of one step's two tiles. With `kept`, a thread's pixels are worked out once. */
function stageCopy(o: PipeChoices & { readonly kept: boolean }): Readonly<Record<"prepare" | "copy", string>> {
  const threads = pipeThreads(o);
  const rows = (threads * 8) / o.bk;
  const count = o.bm / rows;
  const copyB = `#pragma unroll
    for (int e = threadIdx.x; e < BK * BN / 8; e += THREADS) {
      const int row = e / (BN / 8), chunk = e % (BN / 8);
      async16(at + TILE_A + place_b(row, chunk), weight + (step * BK + row) * 128 + filter0 + chunk * 8, true);
    }`;
  if (!o.kept)
    return {
      prepare: "",
      copy: `const int tap = step / (128 / BK), c0 = step % (128 / BK) * BK;
    #pragma unroll
    for (int e = threadIdx.x; e < BM * BK / 8; e += THREADS) {
      const int row = e / (BK / 8), chunk = e % (BK / 8), pixel = pixel0 + row;
      const int y = pixel / 64 % 64 + tap / 3 - 1, z = pixel % 64 + tap % 3 - 1;
      const bool inside = (unsigned)y < 64u && (unsigned)z < 64u;
      const half* from = x + (inside ? (pixel + (tap / 3 - 1) * 64 + tap % 3 - 1) * 128 + c0 + chunk * 8 : 0);
      async16(at + place_a(row, chunk), from, inside);
    }
    ${copyB}`,
    };
  return {
    prepare: `const int my_row = threadIdx.x / (BK / 8), my_chunk = threadIdx.x % (BK / 8);
  unsigned open_taps[${count}];
  #pragma unroll
  for (int i = 0; i < ${count}; ++i) {
    const int pixel = pixel0 + my_row + i * ${rows};
    open_taps[i] = 0;
    for (int tap = 0; tap < 9; ++tap) {
      const int y = pixel / 64 % 64 + tap / 3 - 1, z = pixel % 64 + tap % 3 - 1;
      if ((unsigned)y < 64u && (unsigned)z < 64u) open_taps[i] |= 1u << tap;
    }
  }
  const half* my_pixels = x + (pixel0 + my_row) * 128 + my_chunk * 8;`,
    copy: `const int tap = step / (128 / BK);
    const int shift = ((tap / 3 - 1) * 64 + tap % 3 - 1) * 128 + step % (128 / BK) * BK;
    #pragma unroll
    for (int i = 0; i < ${count}; ++i) {
      const bool inside = open_taps[i] >> tap & 1u;
      async16(at + place_a(my_row + i * ${rows}, my_chunk), inside ? my_pixels + i * ${rows * 128} + shift : x, inside);
    }
    ${copyB}`,
  };
}

const mmaHelpers = `__device__ __forceinline__ void matrices(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
  : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
}
__device__ __forceinline__ void matrices_turned(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
  : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
}
__device__ __forceinline__ void multiply_add(float (&d)[4], const unsigned (&u)[4], unsigned v0, unsigned v1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
  : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(u[0]), "r"(u[1]), "r"(u[2]), "r"(u[3]), "r"(v0), "r"(v1));
}
`;

/** The products of one stage; with `both`, fragments of the next slice are read before this one's products. */
function stageProducts(both: boolean, byRows: boolean): string {
  const read = (slot: string, c: string): string => `#pragma unroll
      for (int i = 0; i < MI; ++i) matrices(u${slot}[i], at + place_a(row0 + 16 * i + lane % 16, ${c} / 8 + lane / 16));
      #pragma unroll
      for (int j = 0; j < NJ; ++j) matrices_turned(v${slot}[j], at + TILE_A + place_b(${c} + lane % 16, col0 / 8 + 2 * j + lane / 16));`;
  const [outer, inner] = byRows
    ? ["int i = 0; i < MI; ++i", "int j = 0; j < NJ; ++j"]
    : ["int j = 0; j < NJ; ++j", "int i = 0; i < MI; ++i"];
  const products = (slot: string): string => `#pragma unroll
      for (${outer}) {
        #pragma unroll
        for (${inner}) {
          multiply_add(sum[i][2 * j], u${slot}[i], v${slot}[j][0], v${slot}[j][1]);
          multiply_add(sum[i][2 * j + 1], u${slot}[i], v${slot}[j][2], v${slot}[j][3]);
        }
      }`;
  if (!both)
    return `#pragma unroll
    for (int c = 0; c < BK; c += 16) {
      unsigned u[MI][4], v[NJ][4];
      ${read("", "c")}
      ${products("")}
    }`;
  return `unsigned u[2][MI][4], v[2][NJ][4];
    ${read("[0]", "0")}
    #pragma unroll
    for (int c = 0; c < BK; c += 16) {
      if (c + 16 < BK) {
        ${read("[(c / 16 + 1) % 2]", "(c + 16)")}
      }
      ${products("[c / 16 % 2]")}
    }`;
}

const directStore = `#pragma unroll
  for (int i = 0; i < MI; ++i) {
    #pragma unroll
    for (int j = 0; j < 2 * NJ; ++j) {
      half* to = out + (pixel0 + row0 + 16 * i + lane / 4) * 128 + filter0 + col0 + 8 * j + lane % 4 * 2;
      *reinterpret_cast<half2*>(to) = __floats2half2_rn(sum[i][j][0], sum[i][j][1]);
      *reinterpret_cast<half2*>(to + 8 * 128) = __floats2half2_rn(sum[i][j][2], sum[i][j][3]);
    }
  }`;

const stagedStore = `__syncthreads();
  half* result = reinterpret_cast<half*>(memory);
  #pragma unroll
  for (int i = 0; i < MI; ++i) {
    #pragma unroll
    for (int j = 0; j < 2 * NJ; ++j) {
      half* to = result + (row0 + 16 * i + lane / 4) * (BN + 8) + col0 + 8 * j + lane % 4 * 2;
      *reinterpret_cast<half2*>(to) = __floats2half2_rn(sum[i][j][0], sum[i][j][1]);
      *reinterpret_cast<half2*>(to + 8 * (BN + 8)) = __floats2half2_rn(sum[i][j][2], sum[i][j][3]);
    }
  }
  __syncthreads();
  for (int e = threadIdx.x; e < BM * BN / 8; e += THREADS) {
    const int row = e / (BN / 8), part = e % (BN / 8) * 8;
    *reinterpret_cast<uint4*>(out + (pixel0 + row) * 128 + filter0 + part) = *reinterpret_cast<const uint4*>(result + row * (BN + 8) + part);
  }`;

const pipeBytes = (o: PipeChoices & { readonly store: string }): number =>
  Math.max(stageBytes(o) * o.stages, o.store === "staged" ? o.bm * (o.bn + 8) * 2 : 0);

export const pipeline = template({
  id: "pipeline",
  from: "implicit-tiles",
  count: 24,
  idea: "issue mma instructions on ldmatrix fragments behind a ring of asynchronous copies",
  options: {
    layout: ["linear", "padded", "swizzled"],
    kept: [false, true],
    both: [false, true],
    store: ["direct", "staged"],
    order: ["copy", "products"],
    turns: ["rows", "columns"],
    restrict: [true, false],
    bounds: ["free", "one", "two"],
    bm: [128, 64, 256],
    bn: [128, 64],
    bk: [32, 64, 16],
    warpsM: [2, 4],
    warpsN: [2, 4, 1],
    stages: [3, 2, 4],
  },
  valid: (o) => {
    const threads = pipeThreads(o);
    const sums = (o.bm * o.bn) / threads;
    return (
      sums >= 16 &&
      sums <= (o.bounds === "two" ? 64 : 128) &&
      o.bn / o.warpsN >= 16 &&
      o.bm / o.warpsM >= 16 &&
      o.bm % ((threads * 8) / o.bk) === 0 &&
      (o.bk * o.bn) / 8 >= threads &&
      pipeBytes(o) <= (o.bounds === "two" ? 110 : 220) * 1024
    );
  },
  write(o, { n = 0 }) {
    const threads = pipeThreads(o);
    const q = on(o.restrict, " __restrict__");
    const pad = o.layout === "padded" ? " + 8" : "";
    const { prepare, copy } = stageCopy(o);
    const bound = { free: "", one: "__launch_bounds__(THREADS) ", two: "__launch_bounds__(THREADS, 2) " }[o.bounds];
    const next = `{
      const int step = now + STAGES - 1;
      if (step < STEPS) {
        const unsigned at = base + step % STAGES * STAGE_BYTES;
        ${copy}
      }
      close_group();
    }`;
    const now = `{
      const unsigned at = base + now % STAGES * STAGE_BYTES;
      ${stageProducts(o.both, o.turns === "rows")}
    }`;
    const source = `#include <cuda_fp16.h>

constexpr int BM = ${o.bm}, BN = ${o.bn}, BK = ${o.bk}, STEPS = 1152 / BK, STAGES = ${o.stages};
constexpr int WARPS_N = ${o.warpsN}, THREADS = ${threads};
constexpr int MI = BM / ${16 * o.warpsM}, NJ = BN / ${16 * o.warpsN};
constexpr int TILE_A = BM * (BK${pad}) * 2, STAGE_BYTES = TILE_A + BK * (BN${pad}) * 2;

${asyncHelpers}${mmaHelpers}${placement(o)}
extern "C" __global__ void ${bound}conv_pipeline(const half*${q} x, const half*${q} weight, half*${q} out) {
  extern __shared__ __align__(128) unsigned char memory[];
  const unsigned base = (unsigned)__cvta_generic_to_shared(memory);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int pixel0 = blockIdx.x * BM, filter0 = blockIdx.y * BN;
  const int row0 = warp / WARPS_N * 16 * MI, col0 = warp % WARPS_N * 16 * NJ;
  float sum[MI][2 * NJ][4] = {};
  ${prepare}
  #pragma unroll
  for (int step = 0; step < STAGES - 1; ++step) {
    const unsigned at = base + step * STAGE_BYTES;
    ${copy}
    close_group();
  }
  for (int now = 0; now < STEPS; ++now) {
    await_groups<STAGES - 2>();
    __syncthreads();
    ${o.order === "copy" ? `${next}\n${now}` : `${now}\n${next}`}
  }
  ${o.store === "direct" ? directStore : stagedStore}
}
`;
    const grid = [(n * 4096) / o.bm, 128 / o.bn] as const;
    return styled(
      { source, launches: [launch("conv_pipeline", grid, threads, ["x", "weight", "out"], pipeBytes(o))] },
      { names: "snake", indent: 2 },
    );
  },
});
