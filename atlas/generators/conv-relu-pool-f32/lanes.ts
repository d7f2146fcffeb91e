import { on, repeat, styled, template } from "../kit/code.ts";
import { launch3, packKernel, packLaunch, pair, shapeOf } from "./shape.ts";

/** A lane's products of one channel for `across` neighbouring windows. */
function laneSums(byRows: boolean, across: number, slot: string): string {
  const span = 2 * across + 4;
  const mac = (row: string): string =>
    repeat(
      2,
      (dx) =>
        `sum[dy][${across === 1 ? dx : `2 * p + ${dx}`}] += own[ky * 5 + kx] * ${row}[${across === 1 ? "" : "2 * p + "}kx${on(dx === 1, " + 1")}];`,
    );
  const acrossLoop = (body: string): string =>
    across === 1 ? body : `#pragma unroll\nfor (int p = 0; p < ${across}; ++p) {\n${body}\n}`;
  const loops = (row: string): string => `#pragma unroll
      for (int kx = 0; kx < 5; ++kx) {
        ${acrossLoop(mac(row))}
      }`;
  return byRows
    ? `#pragma unroll
          for (int r = 0; r < 6; ++r) {
            float line[${span}];
            #pragma unroll
            for (int k = 0; k < ${span}; ++k) line[k] = pixels[${slot}][2 * gy + r][2 * gx + k];
            #pragma unroll
            for (int dy = 0; dy < 2; ++dy) {
              const int ky = r - dy;
              if (ky >= 0 && ky < 5) {
                ${loops("line")}
              }
            }
          }`
    : `#pragma unroll
          for (int dy = 0; dy < 2; ++dy) {
            #pragma unroll
            for (int ky = 0; ky < 5; ++ky) {
              const float* line = &pixels[${slot}][2 * gy + dy + ky][2 * gx];
              ${loops("line")}
            }
          }`;
}

/** Sixteen lanes for the sixteen filters, each with its weights in registers. */
export const filterLanes = template({
  id: "filter-lanes",
  from: "patch-in-shared",
  idea: "Give each lane a filter, its weights in registers, and broadcast the pixels from shared memory",
  options: {
    across: [2, 1, 4],
    weights: ["given", "packed", "shared"],
    macs: ["outputs", "rows"],
    store: ["direct", "staged"],
    skew: [false, true],
    channels: ["all", "each"],
    tile: ["16x2", "16x4", "8x4", "8x2", "16x1"],
  },
  valid: (o) => {
    const [tx, ty] = pair(o.tile);
    return (tx / o.across) * ty * 16 <= 1024;
  },
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const [tx, ty] = pair(o.tile);
    const { across } = o;
    const groups = (tx / across) * ty;
    const threads = groups * 16;
    const all = o.channels === "all";
    const packed = o.weights === "packed";
    const [rows, columns] = [2 * ty + 4, 2 * tx + 4];
    const bring = `for (int i = threadIdx.x; i < ${rows * columns}; i += ${threads}) {
        const int r = i / ${columns}, k = i % ${columns};
        const int y = ${2 * ty} * blockIdx.y + r - 2, xx = ${2 * tx} * blockIdx.x + k - 2;
        pixels[${all ? "c" : "0"}][r][k] = y >= 0 && y < ${h} && xx >= 0 && xx < ${w} ? x[((blockIdx.z * 8 + c) * ${h} + y) * ${w} + xx] : 0.0f;
      }`;
    const weight = {
      given: "weight[(filter * 8 + c) * 25 + k]",
      packed: "packed[(c * 25 + k) * 16 + filter]",
      shared: "taps[(c * 25 + k) * 16 + filter]",
    }[o.weights];
    const result = (p: number): string =>
      `fmaxf(fmaxf(fmaxf(sum[0][${2 * p}], sum[0][${2 * p + 1}]), fmaxf(sum[1][${2 * p}], sum[1][${2 * p + 1}])), 0.0f)`;
    const store =
      o.store === "direct"
        ? `float* to = out + ((blockIdx.z * 16 + filter) * ${ph} + blockIdx.y * ${ty} + gy) * ${pw} + blockIdx.x * ${tx} + gx;
          ${repeat(across, (p) => `to[${p}] = ${result(p)};`)}`
        : `${repeat(across, (p) => `results[filter][gy * ${tx} + gx + ${p}] = ${result(p)};`)}
          __syncthreads();
          for (int i = threadIdx.x; i < ${16 * tx * ty}; i += ${threads}) {
            const int f = i / ${tx * ty}, k = i % ${tx * ty};
            out[((blockIdx.z * 16 + f) * ${ph} + blockIdx.y * ${ty} + k / ${tx}) * ${pw} + blockIdx.x * ${tx} + k % ${tx}] = results[f][k];
          }`;
    const source = `${on(packed, packKernel)}
      extern "C" __global__ void __launch_bounds__(${threads}) filters_in_lanes(const float* __restrict__ x, const float* __restrict__ ${packed ? "packed" : "weight"}, const float* __restrict__ bias, float* __restrict__ out) {
        __shared__ float pixels[${all ? 8 : 1}][${rows}][${columns}${on(o.skew, " + 1")}];
        ${on(o.store === "staged", `__shared__ float results[16][${tx * ty} + 1];`)}
        ${on(
          o.weights === "shared",
          `__shared__ float taps[3200];
          for (int i = threadIdx.x; i < 3200; i += ${threads}) taps[i % 200 * 16 + i / 200] = weight[i];`,
        )}
        const int filter = threadIdx.x & 15, group = threadIdx.x >> 4;
        const int gx = group % ${tx / across} * ${across}, gy = group / ${tx / across};
        ${on(all, `for (int c = 0; c < 8; ++c) {\n${bring}\n}\n__syncthreads();`)}
        float sum[2][${2 * across}];
        #pragma unroll
        for (int k = 0; k < ${2 * across}; ++k) sum[0][k] = sum[1][k] = bias[filter];
        #pragma unroll 1
        for (int c = 0; c < 8; ++c) {
          ${on(!all, `__syncthreads();\n${bring}\n__syncthreads();`)}
          float own[25];
          #pragma unroll
          for (int k = 0; k < 25; ++k) own[k] = ${weight};
          ${laneSums(o.macs === "rows", across, all ? "c" : "0")}
        }
        ${store}
      }
    `;
    return styled(
      {
        source,
        launches: [
          ...(packed ? [packLaunch] : []),
          launch3(
            "filters_in_lanes",
            [pw / tx, ph / ty, n],
            [threads, 1, 1],
            ["x", packed ? "packed" : "weight", "bias", "out"],
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

type Join = "shuffle" | "shared" | "atomic";

/** Statements that add the parts' totals into those of part 0. */
function joinParts(
  kind: Join,
  parts: number,
  filters: number,
  threads: number,
  each: (body: string) => string,
): string {
  const place = threads / parts;
  return {
    shuffle: each(
      `#pragma unroll\nfor (int d = 1; d < ${parts}; d *= 2) total[f][q] += __shfl_xor_sync(0xffffffffu, total[f][q], d);`,
    ),
    shared: `__shared__ float partial[${parts}][${filters * 4}][${place}];
        ${each(`partial[part][f * 4 + q][slot] = total[f][q];`)}
        __syncthreads();
        if (part == 0) {
          ${each(`for (int p = 1; p < ${parts}; ++p) total[f][q] += partial[p][f * 4 + q][slot];`)}
        }`,
    atomic: `__shared__ float partial[${filters * 4}][${place}];
        for (int i = threadIdx.x; i < ${filters * 4 * place}; i += ${threads}) partial[i / ${place}][i % ${place}] = 0.0f;
        __syncthreads();
        ${each("atomicAdd(&partial[f * 4 + q][slot], total[f][q]);")}
        __syncthreads();
        if (part == 0) {
          ${each("total[f][q] = partial[f * 4 + q][slot];")}
        }`,
  }[kind];
}

/** Input channels shared out over threads, partial sums joined at the end. */
export const splitChannels = template({
  id: "split-channels",
  from: "weights-in-shared",
  idea: "Share the input channels out over neighbouring threads and add their partial sums",
  options: {
    join: ["shuffle", "shared", "atomic"],
    parts: [2, 4, 8],
    filters: [1, 2, 4],
    deal: ["alternate", "blocks"],
    weights: ["global", "__ldg"],
    patch: [true, false],
    threads: [128, 256],
  },
  count: 22,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const { parts, filters, threads } = o;
    const lanes = o.join === "shuffle";
    const place = threads / parts;
    const cell = (r: string, k: string): string =>
      `((unsigned)(y0 + ${r}) < HEIGHT && (unsigned)(x0 + ${k}) < WIDTH) ? plane[(y0 + ${r}) * WIDTH + x0 + ${k}] : 0.0f`;
    const at = (r: number, k: number): string =>
      o.patch ? `patch[ky + ${r}][kx + ${k}]` : `(${cell(`ky + ${r}`, `kx + ${k}`)})`;
    const tap = "weight[((f0 + f) * 8 + c) * 25 + ky * 5 + kx]";
    const deal =
      o.deal === "alternate"
        ? `for (int c = part; c < 8; c += ${parts})`
        : `for (int c = part * ${8 / parts}; c < (part + 1) * ${8 / parts}; ++c)`;
    const each = (body: string): string =>
      `#pragma unroll\nfor (int f = 0; f < ${filters}; ++f) {\n#pragma unroll\nfor (int q = 0; q < 4; ++q) {\n${body}\n}\n}`;
    const source = `constexpr int HEIGHT = ${h}, WIDTH = ${w};

      extern "C" __global__ void partial_channels(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        const int part = threadIdx.x ${lanes ? `% ${parts}` : `/ ${place}`};
        const int slot = threadIdx.x ${lanes ? `/ ${parts}` : `% ${place}`};
        const int pooled = blockIdx.x * ${place} + slot;
        const int px = pooled % ${pw}, py = pooled / ${pw} % ${ph}, image = pooled / ${pw * ph};
        const int f0 = blockIdx.y * ${filters};
        const int y0 = 2 * py - 2, x0 = 2 * px - 2;
        float total[${filters}][4];
        ${each("total[f][q] = 0.0f;")}
        ${deal} {
          const float* plane = x + (image * 8 + c) * HEIGHT * WIDTH;
          ${on(
            o.patch,
            `float patch[6][6];
            #pragma unroll
            for (int r = 0; r < 6; ++r) {
              #pragma unroll
              for (int k = 0; k < 6; ++k) patch[r][k] = ${cell("r", "k")};
            }`,
          )}
          #pragma unroll
          for (int ky = 0; ky < 5; ++ky) {
            #pragma unroll
            for (int kx = 0; kx < 5; ++kx) {
              #pragma unroll
              for (int f = 0; f < ${filters}; ++f) {
                const float tap = ${o.weights === "__ldg" ? `__ldg(&${tap})` : tap};
                ${repeat(4, (q) => `total[f][${q}] += ${at(q >> 1, q & 1)} * tap;`)}
              }
            }
          }
        }
        ${joinParts(o.join, parts, filters, threads, each)}
        if (part == 0) {
          #pragma unroll
          for (int f = 0; f < ${filters}; ++f) {
            const float best = fmaxf(fmaxf(total[f][0], total[f][1]), fmaxf(total[f][2], total[f][3])) + bias[f0 + f];
            out[((image * 16 + f0 + f) * ${ph} + py) * ${pw} + px] = fmaxf(best, 0.0f);
          }
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch3(
            "partial_channels",
            [(n * ph * pw) / place, 16 / filters, 1],
            [threads, 1, 1],
            ["x", "weight", "bias", "out"],
          ),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
