import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { affine, blockSum, packing, statistics, typeOf, warpSum, widthOf, type Width } from "./parts.ts";

const same = (value: string): string => value;

/** The first element of the row that `in` points to, as a float. */
const firstOf = (width: Width): string =>
  width === "one" ? "__bfloat162float(in[0])" : "__bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(in))";

/** One thread walks along a whole row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Let one thread handle one row.",
  options: {
    method: ["two-pass", "moments", "shifted"],
    width: ["one", "pair", "eight"],
    root: ["rsqrtf", "division"],
    unroll: [false, true],
    block: [128, 32, 64, 256],
    restrict: [false, true],
  },
  count: 26,
  write: ({ method, width, root, unroll, block, restrict }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const length = widthOf[width] === 1 ? "cols" : `cols / ${widthOf[width]}`;
    const quick = on(restrict, "__restrict__ ");
    const head = `${on(unroll, "#pragma unroll 4\n")}for (int j = 0; j < ${length}; ++j) {`;
    const body = statistics({
      method,
      width,
      head,
      at: "in[j]",
      cols: "cols",
      reduce: same,
      firstElement: firstOf(width),
      root: root === "rsqrtf" ? (v): string => `rsqrtf(${v})` : (v): string => `1.0f / sqrtf(${v})`,
    });
    const source = `
      #include <cuda_bf16.h>

      ${on(width === "eight", packing("convert"))}
      extern "C" __global__ void layer_norm(const ${type}* ${quick}x, const ${type}* ${quick}gamma, const ${type}* ${quick}beta, ${type}* ${quick}y, int rows, int cols) {
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) {
          return;
        }
        const ${type}* in = x + (size_t)row * (${length});
        ${type}* out = y + (size_t)row * (${length});
        ${body}
        ${head}
          ${affine(width, "in[j]", "out[j]", "j")}
        }
      }
    `;
    const args = ["x", "gamma", "beta", "y", { i32: rows }, { i32: cols }];
    return styled(
      { source, launches: [launch("layer_norm", Math.ceil(rows / block), block, args)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** One warp per row. */
export const warpRow: Template = template({
  id: "warp-per-row",
  from: "thread-per-row",
  idea: "Let one warp handle one row and add up with shuffles.",
  options: {
    hold: ["reread", "packed", "floats"],
    width: ["eight", "pair", "one"],
    method: ["moments", "two-pass", "shifted"],
    bits: ["convert", "shift"],
    warps: [4, 8, 2, 16, 1],
    streaming: [false, true],
    unroll: [false, true],
  },
  valid: ({ hold, width, method, bits, streaming, unroll }) =>
    (width === "eight" || (hold === "reread" && bits === "convert" && !streaming)) &&
    (hold === "reread" || (method !== "shifted" && !unroll)),
  count: 29,
  write: ({ hold, width, method, bits, warps, streaming, unroll }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const write = streaming ? "streaming" : "plain";
    const head = `${on(unroll, "#pragma unroll 4\n")}for (int j = lane; j < LENGTH; j += 32) {`;
    const reread = `
      ${statistics({ method, width, head, at: "in[j]", cols: "COLS", reduce: (v) => `warp_sum(${v})`, firstElement: firstOf(width) })}
      ${head}
        ${affine(width, "in[j]", "out[j]", "j", write)}
      }`;
    const held = `
      ${hold === "packed" ? "uint4 held[LENGTH / 32];" : "float held[LENGTH / 32][8];"}
      ${each(hold === "packed" ? "held[k] = in[lane + 32 * k];" : "unpack(in[lane + 32 * k], held[k]);")}
      ${hold === "packed" ? statistics({ method, width, head: eachHead, at: "held[k]", cols: "COLS", reduce: (v) => `warp_sum(${v})`, firstElement: "" }) : floatStatistics(method === "two-pass")}
      ${each(hold === "packed" ? affine(width, "held[k]", "out[lane + 32 * k]", "lane + 32 * k", write) : floatAffine(streaming))}`;
    const source = `
      #include <cuda_bf16.h>

      #define COLS ${cols}
      #define LENGTH (COLS / ${widthOf[width]})
      #define WARPS ${warps}

      ${on(width === "eight", packing(bits))}
      ${warpSum()}
      extern "C" __global__ void warp_norm(const ${type}* __restrict__ x, const ${type}* __restrict__ gamma, const ${type}* __restrict__ beta, ${type}* __restrict__ y) {
        const int lane = threadIdx.x % 32;
        const int row = blockIdx.x * WARPS + threadIdx.x / 32;
        const ${type}* in = x + (size_t)row * LENGTH;
        ${type}* out = y + (size_t)row * LENGTH;
        ${hold === "reread" ? reread : held}
      }
    `;
    const main = launch("warp_norm", rows / warps, warps * 32, ["x", "gamma", "beta", "y"]);
    return styled({ source, launches: [main] }, { names: "camel", indent: 2 });
  },
});

const eachHead = "#pragma unroll\nfor (int k = 0; k < LENGTH / 32; ++k) {";
const each = (line: string): string => `${eachHead}\n${line}\n}`;
const eachPart = (line: string): string => each(`#pragma unroll\nfor (int p = 0; p < 8; ++p) {\n${line}\n}`);

function floatStatistics(twoPass: boolean): string {
  if (twoPass) {
    return `
      float sum = 0.0f;
      ${eachPart("sum += held[k][p];")}
      float mean = warp_sum(sum) / COLS;
      float squares = 0.0f;
      ${eachPart("held[k][p] -= mean;\nsquares += held[k][p] * held[k][p];")}
      float scale = rsqrtf(warp_sum(squares) / COLS + 1e-5f);
      mean = 0.0f;`;
  }
  return `
    float sum = 0.0f, squares = 0.0f;
    ${eachPart("sum += held[k][p];\nsquares += held[k][p] * held[k][p];")}
    float mean = warp_sum(sum) / COLS;
    float scale = rsqrtf(warp_sum(squares) / COLS - mean * mean + 1e-5f);`;
}

function floatAffine(streaming: boolean): string {
  return `
    float g[8], b[8];
    unpack(gamma[lane + 32 * k], g);
    unpack(beta[lane + 32 * k], b);
    #pragma unroll
    for (int p = 0; p < 8; ++p) {
      held[k][p] = (held[k][p] - mean) * scale * g[p] + b[p];
    }
    ${streaming ? "__stcs(&out[lane + 32 * k], pack(held[k]));" : "out[lane + 32 * k] = pack(held[k]);"}`;
}

/** One block per row; every pass through global memory. */
export const blockRow: Template = template({
  id: "block-per-row",
  from: "thread-per-row",
  idea: "Let a block handle one row and add up across it in shared memory.",
  options: {
    method: ["two-pass", "moments", "shifted"],
    reduce: ["tree", "first-warp", "every-warp"],
    width: ["one", "pair", "eight"],
    contiguous: [false, true],
    loop: [false, true],
    block: [256, 128, 512, 64],
    perSm: [8, 4, 2],
  },
  valid: ({ loop, perSm, block }) => (loop ? perSm * block <= 2048 : perSm === 8),
  count: 31,
  write: ({ method, reduce, width, contiguous, loop, block, perSm }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const head = contiguous
      ? "for (int j = threadIdx.x * SHARE; j < (threadIdx.x + 1) * SHARE; ++j) {"
      : "for (int j = threadIdx.x; j < LENGTH; j += BLOCK) {";
    const body = `
      const ${type}* in = x + (size_t)row * LENGTH;
      ${type}* out = y + (size_t)row * LENGTH;
      ${statistics({ method, width, head, at: "in[j]", cols: "COLS", reduce: (v) => `block_sum<BLOCK>(${v})`, firstElement: firstOf(width) })}
      ${head}
        ${affine(width, "in[j]", "out[j]", "j")}
      }`;
    const source = `
      #include <cuda_bf16.h>

      constexpr int BLOCK = ${block};
      constexpr int COLS = ${cols};
      constexpr int LENGTH = COLS / ${widthOf[width]};
      ${on(contiguous, "constexpr int SHARE = LENGTH / BLOCK;")}

      ${on(width === "eight", packing("shift"))}
      ${blockSum(reduce)}
      extern "C" __global__ void block_norm(const ${type}* x, const ${type}* gamma, const ${type}* beta, ${type}* y${on(loop, ", int rows")}) {
        ${loop ? `for (int row = blockIdx.x; row < rows; row += gridDim.x) {\n${body}\n}` : `int row = blockIdx.x;\n${body}`}
      }
    `;
    const args = ["x", "gamma", "beta", "y", ...(loop ? [{ i32: rows }] : [])];
    return styled(
      { source, launches: [launch("block_norm", loop ? 132 * perSm : rows, block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Tiles of several rows in shared memory; each thread owns a row of the tile. */
export const tiles: Template = template({
  id: "row-tiles",
  from: "thread-per-row",
  idea: "Bring tiles of several rows into shared memory so that each thread can own a row.",
  options: {
    rowsPerBlock: [64, 32, 128],
    width: [64, 32],
    padding: [true, false],
    cells: ["float", "bf16"],
    method: ["moments", "two-pass"],
    direct: [false, true],
    load: ["rows", "flat"],
  },
  count: 25,
  write: ({ rowsPerBlock, width, padding, cells, method, direct, load }, { rows = 0, cols = 0 }) => {
    const cell = cells === "float" ? "tile[threadIdx.x][c]" : "__bfloat162float(tile[threadIdx.x][c])";
    const into =
      cells === "float" ? "__bfloat162float(x[first + (size_t)r * COLS + c])" : "x[first + (size_t)r * COLS + c]";
    const outOf = cells === "float" ? "__float2bfloat16(tile[r][c])" : "tile[r][c]";
    const normal = `(${cell} - mean) * scale * __bfloat162float(gamma[start + c]) + __bfloat162float(beta[start + c])`;
    const back =
      cells === "float" ? `tile[threadIdx.x][c] = ${normal};` : `tile[threadIdx.x][c] = __float2bfloat16(${normal});`;
    const each = (line: string): string => `for (int c = 0; c < WIDTH; ++c) {\n${line}\n}`;
    const sweep = (line: string): string => `
      for (int start = 0; start < COLS; start += WIDTH) {
        size_t first = (size_t)blockIdx.x * ROWS * COLS + start;
        ${moveTile(`tile[r][c] = ${into};`, load)}
        __syncthreads();
        ${line}
        __syncthreads();
      }`;
    const write = direct
      ? each(`y[first + (size_t)threadIdx.x * COLS + c] = __float2bfloat16(${normal});`)
      : `${each(back)}\n__syncthreads();\n${moveTile(`y[first + (size_t)r * COLS + c] = ${outOf};`, load)}`;
    const find =
      method === "moments"
        ? `
        ${sweep(each(`float v = ${cell};\nsum += v;\nsquares += v * v;`))}
        float mean = sum / COLS;
        float scale = rsqrtf(squares / COLS - mean * mean + 1e-5f);`
        : `
        ${sweep(each(`sum += ${cell};`))}
        float mean = sum / COLS;
        ${sweep(each(`float d = ${cell} - mean;\nsquares += d * d;`))}
        float scale = rsqrtf(squares / COLS + 1e-5f);`;
    const source = `
      #include <cuda_bf16.h>

      typedef __nv_bfloat16 bf16;

      #define ROWS ${rowsPerBlock}
      #define WIDTH ${width}
      #define COLS ${cols}

      extern "C" __global__ void norm_tiles(const bf16* __restrict__ x, const bf16* __restrict__ gamma, const bf16* __restrict__ beta, bf16* __restrict__ y) {
        __shared__ ${cells} tile[ROWS][WIDTH${on(padding, ` + ${cells === "float" ? 1 : 2}`)}];
        float sum = 0.0f, squares = 0.0f;
        ${find}
        ${sweep(write)}
      }
    `;
    const main = launch("norm_tiles", rows / rowsPerBlock, rowsPerBlock, ["x", "gamma", "beta", "y"]);
    return styled({ source, launches: [main] }, { names: "camel", indent: 4 });
  },
});

function moveTile(line: string, order: "rows" | "flat"): string {
  if (order === "flat") {
    return `
      for (int i = threadIdx.x; i < ROWS * WIDTH; i += ROWS) {
        int r = i / WIDTH, c = i % WIDTH;
        ${line}
      }`;
  }
  return `
    for (int r = threadIdx.x / 32; r < ROWS; r += ROWS / 32) {
      for (int c = threadIdx.x % 32; c < WIDTH; c += 32) {
        ${line}
      }
    }`;
}
