import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import {
  blockPlace,
  constants,
  depthLoop,
  drainBoard,
  finish,
  fits,
  headers,
  poolBytes,
  setUp,
  stageLoader,
  threadsOf,
} from "./engine.ts";
import { columns, depth, gated, gateFunction, rows, silus, type } from "./parts.ts";

const elements = rows * columns;
const one = { names: ["w"] } as const;

const tileOptions = {
  copy: ["plain", "async"],
  pad: [false, true],
  silu: silus,
  unroll: [true, false],
  bounded: [true, false],
  bm: [64, 128],
  bn: [64, 128],
  bk: [32, 64, 16],
  warpsM: [2, 4],
  warpsN: [2, 4],
  stages: [2, 3, 4],
} as const;

/** A kernel that multiplies scratch floats two by two and gates them. */
function combineKernel(o: { silu: (typeof silus)[number]; wide: boolean }, parts: string, sums: string): string {
  return o.wide
    ? `extern "C" __global__ void combine(const float* __restrict__ partial, ${type}* __restrict__ y) {
        const size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
        float4 g = make_float4(0.0f, 0.0f, 0.0f, 0.0f), v = g;
        for (int s = 0; s < ${parts}; ++s) {
          const float4 a = *reinterpret_cast<const float4*>(partial + s * (size_t)${sums} + i);
          const float4 b = *reinterpret_cast<const float4*>(partial + (${parts} + s) * (size_t)${sums} + i);
          g.x += a.x;
          g.y += a.y;
          g.z += a.z;
          g.w += a.w;
          v.x += b.x;
          v.y += b.y;
          v.z += b.z;
          v.w += b.w;
        }
        __nv_bfloat162* to = reinterpret_cast<__nv_bfloat162*>(y + i);
        to[0] = __floats2bfloat162_rn(${gated(o.silu, "g.x", "v.x")}, ${gated(o.silu, "g.y", "v.y")});
        to[1] = __floats2bfloat162_rn(${gated(o.silu, "g.z", "v.z")}, ${gated(o.silu, "g.w", "v.w")});
      }`
    : `extern "C" __global__ void combine(const float* __restrict__ partial, ${type}* __restrict__ y) {
        const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
        float g = 0.0f, v = 0.0f;
        for (int s = 0; s < ${parts}; ++s) {
          g += partial[s * (size_t)${sums} + i];
          v += partial[(${parts} + s) * (size_t)${sums} + i];
        }
        y[i] = __float2bfloat16(${gated(o.silu, "g", "v")});
      }`;
}

const passOptions = {
  ...tileOptions,
  route: ["combine", "value reads gate"],
  wide: [false, true],
  banded: [false, true],
} as const;

/** Two products one launch after the other; the gate waits in scratch. */
export const twoPasses: Template = template({
  id: "two-passes",
  from: "wmma-tiled",
  idea: "run the products as two plain matrix products and combine them afterwards",
  options: passOptions,
  valid: (o) => fits(o, 1) && poolBytes(o, one) <= 220 * 1024,
  count: 26,
  write: (o) => {
    const combined = o.route === "combine";
    const bounds = on(o.bounded, "__launch_bounds__(NT) ");
    const start = `${setUp(one, ["sum"])}
      ${blockPlace(o.banded)}
      ${depthLoop(o, one, "x + (size_t)row0 * K, w + col0", ["sum"])}`;
    const store = `#pragma unroll
      for (int i = 0; i < FM; ++i)
        #pragma unroll
        for (int j = 0; j < FN; ++j) {
          const size_t at = (size_t)(row0 + (wr * FM + i) * 16) * N + col0 + (wc * FN + j) * 16;
          wmma::store_matrix_sync(to + at, sum[i][j], N, wmma::mem_row_major);
        }`;
    const inputs = `const ${type}* __restrict__ x, const ${type}* __restrict__ w`;
    const product = `extern "C" __global__ void ${bounds}project(${inputs}, float* __restrict__ to${on(combined, ", int plane")}) {
        ${start}
        ${on(combined, "to += (size_t)plane * M * N;")}
        ${store}
      }`;
    const reading = finish(
      o.wide,
      `wmma::load_matrix_sync(gate[i][j], from + (size_t)row * N + col, N, wmma::mem_row_major);
       #pragma unroll
       for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] = gated(gate[i][j].x[e], sum[i][j].x[e]);`,
    );
    const second = `extern "C" __global__ void ${bounds}project_and_gate(${inputs}, const float* __restrict__ from, ${type}* __restrict__ y) {
        ${start}
        wmma::fragment<wmma::accumulator, 16, 16, 16, float> gate[FM][FN];
        ${reading}
      }`;
    const source = `
      ${headers(o)}
      ${constants(o, one)}
      constexpr int M = ${rows};

      ${stageLoader(o, one)}

      ${product}

      ${combined ? combineKernel(o, "1", "(M * N)") : `${gateFunction(o.silu)}\n\n${second}`}
    `;
    const grid = [columns / o.bn, rows / o.bm] as const;
    const [threads, bytes] = [threadsOf(o), poolBytes(o, one)];
    const launches = combined
      ? [
          launch("project", grid, threads, ["x", "w1", "workspace", { i32: 0 }], bytes),
          launch("project", grid, threads, ["x", "w2", "workspace", { i32: 1 }], bytes),
          launch("combine", elements / (o.wide ? 1024 : 256), 256, ["workspace", "y"]),
        ]
      : [
          launch("project", grid, threads, ["x", "w1", "workspace"], bytes),
          launch("project_and_gate", grid, threads, ["x", "w2", "workspace", "y"], bytes),
        ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Slices of k in blocks of their own; partial sums of both products go to scratch. */
export const splitDepth: Template = template({
  id: "split-depth",
  from: "wmma-tiled",
  idea: "cut k into slices, so that more blocks run, and add the partial sums in a second launch",
  options: { ...tileOptions, wide: [false, true], both: ["same block", "grid"], slices: [2, 4] },
  valid: (o) =>
    fits(o, o.both === "grid" ? 1 : 2) &&
    poolBytes(o, { names: o.both === "grid" ? ["w"] : ["w1", "w2"] }) <= 220 * 1024,
  count: 24,
  write: (o) => {
    const together = o.both === "same block";
    const weights = { names: together ? ["w1", "w2"] : ["w"], steps: `K / BK / ${o.slices}` };
    const sums = together ? ["gate", "value"] : ["gate"];
    const keep = (name: string, plane: string): string =>
      `wmma::store_matrix_sync(partial + ${plane} * (size_t)(M * N) + at, ${name}[i][j], N, wmma::mem_row_major);`;
    const source = `
      ${headers(o)}
      ${constants(o, weights)}
      constexpr int M = ${rows}, SLICES = ${o.slices};

      ${stageLoader(o, weights)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}gated_slices(const ${type}* __restrict__ x, const ${type}* __restrict__ w1, const ${type}* __restrict__ w2, float* __restrict__ partial) {
        ${setUp(weights, sums)}
        ${blockPlace(false)}
        ${
          together
            ? "const int slice = blockIdx.z;"
            : `const int slice = blockIdx.z % SLICES;\nconst ${type}* w = blockIdx.z < SLICES ? w1 : w2;`
        }
        const int begin = slice * STEPS * BK;
        ${depthLoop(o, weights, `x + (size_t)row0 * K, ${together ? "w1 + col0, w2 + col0" : "w + col0"}`, sums, "begin")}
        #pragma unroll
        for (int i = 0; i < FM; ++i)
          #pragma unroll
          for (int j = 0; j < FN; ++j) {
            const size_t at = (size_t)(row0 + (wr * FM + i) * 16) * N + col0 + (wc * FN + j) * 16;
            ${together ? `${keep("gate", "slice")}\n${keep("value", "(SLICES + slice)")}` : keep("gate", "blockIdx.z")}
          }
      }

      ${combineKernel(o, "SLICES", "(M * N)")}
    `;
    const main = launch("gated_slices", 1, threadsOf(o), ["x", "w1", "w2", "workspace"], poolBytes(o, weights));
    return styled(
      {
        source,
        launches: [
          { ...main, grid: [columns / o.bn, rows / o.bm, o.slices * (together ? 1 : 2)] },
          launch("combine", elements / (o.wide ? 1024 : 256), 256, ["workspace", "y"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const mixKernels = {
  element: `extern "C" __global__ void mix_weights(const ${type}* __restrict__ w1, const ${type}* __restrict__ w2, ${type}* __restrict__ mixed) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int r = i / N, c = i % N;
    const size_t to = (size_t)r * 2 * N + c / 16 * 32 + c % 16;
    mixed[to] = w1[i];
    mixed[to + 16] = w2[i];
  }`,
  eight: `extern "C" __global__ void mix_weights(const ${type}* __restrict__ w1, const ${type}* __restrict__ w2, ${type}* __restrict__ mixed) {
    const int i = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    const int r = i / N, c = i % N;
    const size_t to = (size_t)r * 2 * N + c / 16 * 32 + c % 16;
    *reinterpret_cast<uint4*>(mixed + to) = *reinterpret_cast<const uint4*>(w1 + i);
    *reinterpret_cast<uint4*>(mixed + to + 16) = *reinterpret_cast<const uint4*>(w2 + i);
  }`,
};

const mixedOptions = {
  ...tileOptions,
  mix: ["element", "eight"],
  wideStore: [false, true],
  banded: [false, true],
  bn: [64, 128, 256],
} as const;

function mixedFinish(o: Chosen<typeof mixedOptions>): string {
  return `__syncthreads();
    const int lane = threadIdx.x % 32;
    float* board = reinterpret_cast<float*>(bytes) + warp * 256;
    #pragma unroll
    for (int i = 0; i < FM; ++i) {
      #pragma unroll
      for (int j = 0; j < FN; j += 2) {
        const int row = row0 + (wr * FM + i) * 16, col = (col0 + (wc * FN + j) * 16) / 2;
        #pragma unroll
        for (int e = 0; e < sum[i][j].num_elements; ++e) sum[i][j].x[e] = gated(sum[i][j].x[e], sum[i][j + 1].x[e]);
        wmma::store_matrix_sync(board, sum[i][j], 16, wmma::mem_row_major);
        __syncwarp();
        ${drainBoard(o.wideStore)}
        __syncwarp();
      }
    }`;
}

/** A launch mixes the weights by groups of 16 columns, so that one product gives gate and value side by side. */
export const interleavedWeights: Template = template({
  id: "interleaved-weights",
  from: "wmma-tiled",
  idea: "interleave the columns of the weights first, so that one matrix product yields both factors",
  options: mixedOptions,
  valid: (o) => fits(o, 1) && (o.bn / o.warpsN / 16) % 2 === 0 && poolBytes(o, one) <= 220 * 1024,
  count: 24,
  write: (o) => {
    const weights = { ...one, stride: 2 * columns };
    const source = `
      ${headers(o)}
      ${constants(o, weights)}

      ${gateFunction(o.silu)}

      ${mixKernels[o.mix]}

      ${stageLoader(o, weights)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}mixed_product(const ${type}* __restrict__ x, const ${type}* __restrict__ mixed, ${type}* __restrict__ y) {
        ${setUp(weights, ["sum"])}
        ${blockPlace(o.banded)}
        ${depthLoop(o, weights, "x + (size_t)row0 * K, mixed + col0", ["sum"])}
        ${mixedFinish(o)}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("mix_weights", (depth * columns) / (o.mix === "eight" ? 2048 : 256), 256, ["w1", "w2", "workspace"]),
          launch(
            "mixed_product",
            [(2 * columns) / o.bn, rows / o.bm],
            threadsOf(o),
            ["x", "workspace", "y"],
            poolBytes(o, weights),
          ),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});

/** A launch transposes the weights, so that rows of both operands run along k. */
export const transposedWeights: Template = template({
  id: "transposed-weights",
  from: "wmma-tiled",
  idea: "transpose the weights first, so that both operands are contiguous along k",
  options: {
    ...tileOptions,
    tile: ["shared", "direct"],
    wideStore: [false, true],
    banded: [false, true],
    bn: [64, 32, 128],
  },
  valid: (o) => fits(o, 2) && poolBytes(o, { names: ["w1", "w2"], transposed: true }) <= 220 * 1024,
  count: 24,
  write: (o) => {
    const weights = { names: ["w1", "w2"], transposed: true };
    const turn =
      o.tile === "shared"
        ? `__shared__ ${type} tile[32][33];
          const int c = blockIdx.x * 32, r = blockIdx.y * 32;
          for (int i = threadIdx.y; i < 32; i += 8) tile[i][threadIdx.x] = w[(size_t)(r + i) * N + c + threadIdx.x];
          __syncthreads();
          for (int i = threadIdx.y; i < 32; i += 8) to[(size_t)(c + i) * K + r + threadIdx.x] = tile[threadIdx.x][i];`
        : `const int c = blockIdx.x * 32 + threadIdx.x;
          for (int r = blockIdx.y * 32 + threadIdx.y; r < blockIdx.y * 32 + 32; r += 8) to[(size_t)c * K + r] = w[(size_t)r * N + c];`;
    const gate = `#pragma unroll
      for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] = gated(gate[i][j].x[e], value[i][j].x[e]);`;
    const source = `
      ${headers(o)}
      ${constants(o, weights)}

      ${gateFunction(o.silu)}

      extern "C" __global__ void turn_weights(const ${type}* __restrict__ w, ${type}* __restrict__ turned, int which) {
        ${type}* to = turned + (size_t)which * N * K;
        ${turn}
      }

      ${stageLoader(o, weights)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}gated_rows(const ${type}* __restrict__ x, const ${type}* __restrict__ turned, ${type}* __restrict__ y) {
        ${setUp(weights, ["gate", "value"])}
        ${blockPlace(o.banded)}
        const ${type}* t1 = turned + (size_t)col0 * K;
        const ${type}* t2 = t1 + (size_t)N * K;
        ${depthLoop(o, weights, "x + (size_t)row0 * K, t1, t2", ["gate", "value"])}
        ${finish(o.wideStore, gate)}
      }
    `;
    const turns = [0, 1].map((which) =>
      launch(
        "turn_weights",
        [columns / 32, depth / 32],
        [32, 8],
        [which === 0 ? "w1" : "w2", "workspace", { i32: which }],
      ),
    );
    return styled(
      {
        source,
        launches: [
          ...turns,
          launch(
            "gated_rows",
            [columns / o.bn, rows / o.bm],
            threadsOf(o),
            ["x", "workspace", "y"],
            poolBytes(o, weights),
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
