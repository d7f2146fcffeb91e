import { on, repeat, styled, template } from "../kit/code.ts";
import { launch3, packKernel, packLaunch, pair, shapeOf } from "./shape.ts";

/** Statements that bring channel(s) of the block's patch, `first` … `first + count`, into `tile`. */
function fillTile(style: "linear" | "nested", threads: number, each: string): string {
  return style === "linear"
    ? `for (int i = t; i < ROWS * COLUMNS; i += ${threads}) {
        const int r = i / COLUMNS, k = i % COLUMNS;
        ${each}
      }`
    : `for (int r = threadIdx.y; r < ROWS; r += blockDim.y) {
        for (int k = threadIdx.x; k < COLUMNS; k += blockDim.x) {
          ${each}
        }
      }`;
}

/** Static shared memory of a block, in bytes. */
function patchBytes(o: { tile: string; stage: string; skew: boolean; weights: string; filters: number }): number {
  const [tx, ty] = pair(o.tile);
  const cells = (o.stage === "all" ? 8 : 1) * (2 * ty + 4) * (2 * tx + (o.skew ? 5 : 4));
  return 4 * (cells + (o.weights === "shared" ? 200 * o.filters : 0));
}

/** The block's patch of the image in shared memory, filters one after the other. */
export const sharedPatch = template({
  id: "patch-in-shared",
  from: "pooled-thread",
  idea: "Stage the patch of a block's outputs in shared memory and reuse it for all filters",
  options: {
    stage: ["all", "each"],
    fill: ["linear", "nested"],
    sums: ["windows", "taps", "registers"],
    weights: ["global", "shared", "__ldg"],
    filters: [16, 4, 1],
    skew: [false, true],
    tile: ["16x8", "32x4", "16x16", "8x8", "32x8"],
  },
  valid: (o) => (o.stage === "all" || o.filters === 1) && patchBytes(o) <= 48 * 1024,
  count: 26,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const [tx, ty] = pair(o.tile);
    const all = o.stage === "all";
    const threads = tx * ty;
    const at = (r: string, k: string): string => `tile[${all ? "c" : "0"}][${r}][${k}]`;
    const tap = {
      global: "weight[((f0 + f) * 8 + c) * 25 + ky * 5 + kx]",
      __ldg: "__ldg(&weight[((f0 + f) * 8 + c) * 25 + ky * 5 + kx])",
      shared: "taps[(f * 8 + c) * 25 + ky * 5 + kx]",
    }[o.weights];
    const bring = (c: string): string =>
      fillTile(
        o.fill,
        threads,
        `const int y = y0 + r, xx = x0 + k;
        tile[${all ? "c" : "0"}][r][k] = y >= 0 && y < ${h} && xx >= 0 && xx < ${w} ? x[((image * 8 + ${c}) * ${h} + y) * ${w} + xx] : 0.0f;`,
      );
    const taps = (body: string, pragma = ""): string =>
      `${pragma}\nfor (int ky = 0; ky < 5; ++ky) {\n${pragma}\nfor (int kx = 0; kx < 5; ++kx) {\n${body}\n}\n}`;
    const four = (at2: (r: string, k: string) => string): string =>
      repeat(4, (q) => `sum${q} += t0 * ${at2(`${q >> 1}`, `${q & 1}`)};`);
    const sums = {
      windows: repeat(4, (q) =>
        taps(
          `sum${q} += ${at(`2 * threadIdx.y + ${q >> 1} + ky`, `2 * threadIdx.x + ${q & 1} + kx`)} * ${tap};`,
          "#pragma unroll",
        ),
      ),
      taps: taps(
        `const float t0 = ${tap};\n${four((r, k) => at(`2 * threadIdx.y + ${r} + ky`, `2 * threadIdx.x + ${k} + kx`))}`,
      ),
      registers: `float p[6][6];
        #pragma unroll
        for (int r = 0; r < 6; ++r) {
          #pragma unroll
          for (int k = 0; k < 6; ++k) p[r][k] = ${at("2 * threadIdx.y + r", "2 * threadIdx.x + k")};
        }
        ${taps(`const float t0 = ${tap};\n${four((r, k) => `p[ky + ${r}][kx + ${k}]`)}`, "#pragma unroll")}`,
    }[o.sums];
    const source = `#define COLUMNS ${2 * tx + 4}
      #define ROWS ${2 * ty + 4}

      extern "C" __global__ void conv_tile(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        __shared__ float tile[${all ? 8 : 1}][ROWS][COLUMNS${on(o.skew, " + 1")}];
        ${on(o.weights === "shared", `__shared__ float taps[${200 * o.filters}];`)}
        const int t = threadIdx.y * ${tx} + threadIdx.x;
        const int f0 = blockIdx.z % ${16 / o.filters} * ${o.filters}, image = blockIdx.z / ${16 / o.filters};
        const int x0 = blockIdx.x * ${2 * tx} - 2, y0 = blockIdx.y * ${2 * ty} - 2;
        ${on(o.weights === "shared", `for (int i = t; i < ${200 * o.filters}; i += ${threads}) taps[i] = weight[f0 * 200 + i];`)}
        ${on(all, `for (int c = 0; c < 8; ++c) {\n${bring("c")}\n}\n__syncthreads();`)}
        for (int f = 0; f < ${o.filters}; ++f) {
          float sum0 = bias[f0 + f], sum1 = sum0, sum2 = sum0, sum3 = sum0;
          for (int c = 0; c < 8; ++c) {
            ${on(!all, `__syncthreads();\n${bring("c")}\n__syncthreads();`)}
            ${sums}
          }
          const float best = fmaxf(fmaxf(sum0, sum1), fmaxf(sum2, sum3));
          const int py = blockIdx.y * ${ty} + threadIdx.y, px = blockIdx.x * ${tx} + threadIdx.x;
          out[((image * 16 + f0 + f) * ${ph} + py) * ${pw} + px] = best > 0.0f ? best : 0.0f;
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch3("conv_tile", [pw / tx, ph / ty, (16 / o.filters) * n], [tx, ty, 1], ["x", "weight", "bias", "out"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

type Stage = "all" | "each" | "async";

/** Code around the channel loop of the register tile: how the patch comes, and where channel c lies. */
function staging(stage: Stage, threads: number, h: number, w: number): { before: string; head: string; from: string } {
  const copy = (c: string, to: string): string => `for (int i = t; i < PLANE; i += ${threads}) {
          const int y = y0 + i / WIDTH, xx = x0 + i % WIDTH;
          ${to}[i] = (unsigned)y < ${h}u && (unsigned)xx < ${w}u ? image[(${c} * ${h} + y) * ${w} + xx] : 0.0f;
        }`;
  if (stage === "all")
    return {
      before: `for (int c = 0; c < 8; ++c) {\n${copy("c", "(patch + c * PLANE)")}\n}\n__syncthreads();`,
      head: "",
      from: "patch + c * PLANE",
    };
  if (stage === "each")
    return {
      before: "",
      head: `__syncthreads();\n${copy("c", "patch")}\n__syncthreads();`,
      from: "patch",
    };
  const ahead = (c: string): string => `for (int i = t; i < PLANE; i += ${threads}) {
          const int y = y0 + i / WIDTH, xx = x0 + i % WIDTH;
          const bool inside = (unsigned)y < ${h}u && (unsigned)xx < ${w}u;
          __pipeline_memcpy_async(patch + (${c}) % 2 * PLANE + i, inside ? image + ((${c}) * ${h} + y) * ${w} + xx : image, 4, inside ? 0 : 4);
        }
        __pipeline_commit();`;
  return {
    before: ahead("0"),
    head: `if (c < 7) {
        ${ahead("c + 1")}
        __pipeline_wait_prior(1);
      } else {
        __pipeline_wait_prior(0);
      }
      __syncthreads();`,
    from: "patch + c % 2 * PLANE",
  };
}

type Weights = "turned" | "as-given" | "packed";

/** Loads of the taps' weights of F filters into `w`. */
function loadWeights(weights: Weights, filters: number): string {
  if (weights === "as-given")
    return repeat(filters, (f) => `w[${f}] = taps[((f0 + ${f}) * 8 + c) * 25 + ky * 5 + kx];`);
  const source = weights === "turned" ? "taps" : "packed";
  return repeat(filters / 4, (q) => {
    const place = `reinterpret_cast<const float4*>(${source} + (c * 25 + ky * 5 + kx) * 16 + f0)[${q}]`;
    return `*reinterpret_cast<float4*>(w + ${4 * q}) = ${weights === "packed" ? `__ldg(&${place})` : place};`;
  });
}

function tileMacs(read: "patch" | "rows", vector: boolean, load: string): string {
  const row = (to: string, r: string): string =>
    vector
      ? repeat(
          3,
          (k) =>
            `{\nconst float2 two = *reinterpret_cast<const float2*>(corner + (${r}) * WIDTH + ${2 * k});\n${to}[${2 * k}] = two.x;\n${to}[${2 * k + 1}] = two.y;\n}`,
        )
      : `#pragma unroll\nfor (int k = 0; k < 6; ++k) ${to}[k] = corner[(${r}) * WIDTH + k];`;
  const [upper, lower] = read === "patch" ? ["p[ky]", "p[ky + 1]"] : ["upper", "lower"];
  const inner = `#pragma unroll
      for (int kx = 0; kx < 5; ++kx) {
        __align__(16) float w[FILTERS];
        ${load}
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) {
          acc[0][f] = fmaf(${upper}[kx], w[f], acc[0][f]);
          acc[1][f] = fmaf(${upper}[kx + 1], w[f], acc[1][f]);
          acc[2][f] = fmaf(${lower}[kx], w[f], acc[2][f]);
          acc[3][f] = fmaf(${lower}[kx + 1], w[f], acc[3][f]);
        }
      }`;
  return read === "patch"
    ? `float p[6][6];
      #pragma unroll
      for (int r = 0; r < 6; ++r) {\n${row("p[r]", "r")}\n}
      #pragma unroll
      for (int ky = 0; ky < 5; ++ky) {\n${inner}\n}`
    : `float upper[6], lower[6];
      ${row("lower", "0")}
      #pragma unroll
      for (int ky = 0; ky < 5; ++ky) {
        #pragma unroll
        for (int k = 0; k < 6; ++k) upper[k] = lower[k];
        ${row("lower", "ky + 1")}
        ${inner}
      }`;
}

/** Patch and weights in shared memory; a window times several filters in registers. */
export const registerTile = template({
  id: "register-tile",
  from: "patch-in-shared",
  idea: "Hold a window's sums for several filters in registers, patch and weights in shared memory",
  options: {
    stage: ["all", "each", "async"],
    weights: ["as-given", "turned", "packed"],
    read: ["patch", "rows"],
    vector: [false, true],
    filters: [8, 4, 16],
    bounds: [false, true],
    unroll: [false, true],
    tile: ["16x8", "32x4", "16x16", "32x8", "8x8"],
  },
  count: 18,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const [tx, ty] = pair(o.tile);
    const threads = tx * ty;
    const stage = staging(o.stage, threads, h, w);
    const packed = o.weights === "packed";
    const planes = { all: 8, each: 1, async: 2 }[o.stage];
    const plane = (2 * tx + 4) * (2 * ty + 4);
    const source = `${on(o.stage === "async", "#include <cuda_pipeline.h>\n\n")}constexpr int WIDTH = ${2 * tx + 4};
      constexpr int PLANE = WIDTH * ${2 * ty + 4};
      constexpr int FILTERS = ${o.filters};

      ${on(packed, packKernel)}
      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${threads}) `)}layer(const float* __restrict__ x, const float* __restrict__ ${packed ? "packed" : "weight"}, const float* __restrict__ bias, float* __restrict__ out) {
        extern __shared__ __align__(16) float shared[];
        float* patch = shared;
        ${on(!packed, `float* taps = shared + ${planes} * PLANE;`)}
        const int t = threadIdx.x;
        const int column = t % ${tx}, row = t / ${tx};
        const int f0 = blockIdx.z % ${16 / o.filters} * FILTERS;
        const float* image = x + blockIdx.z / ${16 / o.filters} * ${8 * h * w};
        const int x0 = blockIdx.x * ${2 * tx} - 2, y0 = blockIdx.y * ${2 * ty} - 2;
        ${on(!packed, `for (int i = t; i < 3200; i += ${threads}) taps[${o.weights === "turned" ? "i % 200 * 16 + i / 200" : "i"}] = weight[i];`)}
        ${stage.before}
        float acc[4][FILTERS];
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) {
          acc[0][f] = bias[f0 + f];
          acc[1][f] = acc[2][f] = acc[3][f] = acc[0][f];
        }
        ${on(o.unroll, "#pragma unroll 2", "#pragma unroll 1")}
        for (int c = 0; c < 8; ++c) {
          ${stage.head}
          const float* corner = ${stage.from} + 2 * row * WIDTH + 2 * column;
          ${tileMacs(o.read, o.vector, loadWeights(o.weights, o.filters))}
          ${on(o.stage === "async", "__syncthreads();")}
        }
        const int py = blockIdx.y * ${ty} + row, px = blockIdx.x * ${tx} + column;
        float* to = out + ((blockIdx.z / ${16 / o.filters} * 16 + f0) * ${ph} + py) * ${pw} + px;
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f)
          to[f * ${ph * pw}] = fmaxf(fmaxf(fmaxf(acc[0][f], acc[1][f]), fmaxf(acc[2][f], acc[3][f])), 0.0f);
      }
    `;
    return styled(
      {
        source,
        launches: [
          ...(packed ? [packLaunch] : []),
          launch3(
            "layer",
            [pw / tx, ph / ty, (16 / o.filters) * n],
            [threads, 1, 1],
            ["x", packed ? "packed" : "weight", "bias", "out"],
            4 * (planes * plane + (packed ? 0 : 3200)),
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
