import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  clampColumn,
  clampRow,
  exchangeDefinition,
  extent,
  fromColumns,
  network,
  slideLeft,
  slideRight,
  threes,
} from "./order.ts";

/** Bytes of a tile with its rim in shared memory. */
export const byteTile: Template = template({
  id: "byte-tile",
  from: "network-thread",
  idea: "Stage the tile's pixels with their rim in shared memory and order each window from there.",
  options: {
    method: ["nine", "columns", "shared-columns"],
    cell: ["unsigned char", "int"],
    fill: ["linear", "nested"],
    shape: ["function", "macro", "inline"],
    pixels: ["one", "four-down"],
    size: ["define", "constexpr"],
    tile: ["32x8", "32x16", "64x8", "64x16", "128x8"],
  },
  valid: ({ method, pixels }) => method !== "shared-columns" || pixels === "one",
  count: 23,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const many = o.pixels === "one" ? 1 : 4;
    const put = `cells[a][b] = image[${clampRow("y0 + a - 1")} * WIDTH + ${clampColumn("x0 + b - 1")}];`;
    const columns = ["l", "c", "r"]
      .map(
        (name, k) => `int low_${name}, mid_${name}, high_${name};
          sort_three(cells[row][threadIdx.x + ${k}], cells[row + 1][threadIdx.x + ${k}], cells[row + 2][threadIdx.x + ${k}], low_${name}, mid_${name}, high_${name});`,
      )
      .join("\n");
    const work = {
      nine: `
        int p[9];
        #pragma unroll
        for (int k = 0; k < 9; ++k) p[k] = cells[row + k / 3][threadIdx.x + k % 3];
        ${network(o.shape, "int", "min-max")}
        const int result = p[4];`,
      columns: `${columns}\nconst int result = ${fromColumns("min-max", ["l", "c", "r"])};`,
      "shared-columns": `
        ${["l", "c", "r"].map((name, k) => `const int low_${name} = lows[row][threadIdx.x + ${k}], mid_${name} = mids[row][threadIdx.x + ${k}], high_${name} = highs[row][threadIdx.x + ${k}];`).join("\n")}
        const int result = ${fromColumns("min-max", ["l", "c", "r"])};`,
    }[o.method];
    const source = `
      ${extent(sizes, o.size)}
      #define TX ${tx}
      #define TY ${ty}
      ${o.method === "nine" ? exchangeDefinition(o.shape, "int", "min-max") : threes("int", "min-max")}

      extern "C" __global__ void median(const unsigned char* __restrict__ image, unsigned char* __restrict__ out) {
        __shared__ ${o.cell} cells[TY + 2][TX + 2];
        ${on(o.method === "shared-columns", `__shared__ ${o.cell} lows[TY][TX + 2], mids[TY][TX + 2], highs[TY][TX + 2];`)}
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        const int thread = threadIdx.y * TX + threadIdx.x;
        ${
          o.fill === "linear"
            ? `for (int i = thread; i < (TX + 2) * (TY + 2); i += TX * blockDim.y) {
                const int a = i / (TX + 2);
                const int b = i % (TX + 2);
                ${put}
              }`
            : `for (int a = threadIdx.y; a < TY + 2; a += blockDim.y) {
                for (int b = threadIdx.x; b < TX + 2; b += TX) ${put}
              }`
        }
        __syncthreads();
        ${on(
          o.method === "shared-columns",
          `for (int i = thread; i < TY * (TX + 2); i += TX * blockDim.y) {
            const int a = i / (TX + 2);
            const int b = i % (TX + 2);
            int low, mid, high;
            sort_three(cells[a][b], cells[a + 1][b], cells[a + 2][b], low, mid, high);
            lows[a][b] = low;
            mids[a][b] = mid;
            highs[a][b] = high;
          }
          __syncthreads();`,
        )}
        ${many === 1 ? "{\nconst int row = threadIdx.y;" : "#pragma unroll\nfor (int part = 0; part < 4; ++part) {\nconst int row = threadIdx.y * 4 + part;"}
          ${work}
          out[(y0 + row) * WIDTH + x0 + threadIdx.x] = result;
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("median", [Math.ceil(w / tx), Math.ceil(h / ty)], [tx, ty / many], ["image", "out"])],
      },
      { names: "snake", indent: 4 },
    );
  },
});

const wordEdges = `
  for (int a = threadIdx.x; a < TH + 2; a += THREADS) {
    const unsigned int* line = image + ${clampRow("y0 + a - 1")} * WORDS;
    cells[a][3] = q0 > 0 ? line[q0 - 1] : line[0] << 24;
    cells[a][TW + 4] = q0 + TW < WORDS ? line[q0 + TW] : line[WORDS - 1] >> 24;
  }`;

const wordFills = {
  plain: `
    for (int i = threadIdx.x; i < (TH + 2) * TW; i += THREADS) {
      const int a = i / TW;
      cells[a][4 + i % TW] = image[${clampRow("y0 + a - 1")} * WORDS + q0 + i % TW];
    }`,
  async: `
    for (int i = threadIdx.x; i < (TH + 2) * TW / 4; i += THREADS) {
      const int a = i / (TW / 4);
      const int b = i % (TW / 4) * 4;
      __pipeline_memcpy_async(&cells[a][4 + b], image + ${clampRow("y0 + a - 1")} * WORDS + q0 + b, 16);
    }
    __pipeline_commit();
    __pipeline_wait_prior(0);`,
  vector: `
    for (int i = threadIdx.x; i < (TH + 2) * TW / 4; i += THREADS) {
      const int a = i / (TW / 4);
      const int b = i % (TW / 4) * 4;
      *reinterpret_cast<uint4*>(&cells[a][4 + b]) = *reinterpret_cast<const uint4*>(image + ${clampRow("y0 + a - 1")} * WORDS + q0 + b);
    }`,
};

/** Words of a tile in shared memory. */
export const wordTile: Template = template({
  id: "word-tile",
  from: "byte-tile",
  idea: "Stage words of four pixels in shared memory and order four pixels per thread and row.",
  options: {
    method: ["columns", "nine"],
    copy: ["plain", "async", "vector"],
    slide: ["permute", "funnel", "shifts"],
    keep: ["reread", "registers"],
    bounds: [false, true],
    size: ["constexpr", "define"],
    // words, rows and rows per thread
    tile: ["32x32x8", "32x16x4", "64x16x8", "32x64x16", "64x32x4"],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [words = 0, rows = 0, run = 0] = o.tile.split("x").map(Number);
    const threads = (words * rows) / run;
    const parts = ["before", "here", "after"];
    const read = (name: string, row: string): string =>
      parts.map((part, k) => `${part}_${name} = cells[${row}][column + ${k - 1}];`).join("\n");
    const declare = (name: string): string => `unsigned int ${parts.map((part) => `${part}_${name}`).join(", ")};`;
    const slid = (part: string): string => `
      const unsigned int ${part}_l = ${slideLeft(o.slide, `${part}_before`, `${part}_here`)};
      const unsigned int ${part}_r = ${slideRight(o.slide, `${part}_here`, `${part}_after`)};`;
    const sorted = `
      ${parts.map((part) => `unsigned int low_${part}, mid_${part}, high_${part};\nsort_three(${part}_a, ${part}_b, ${part}_c, low_${part}, mid_${part}, high_${part});`).join("\n")}
      ${["low", "mid", "high"].map(slid).join("\n")}
      const unsigned int result = ${fromColumns("bytes", ["l", "here", "r"])};`;
    const nine = `
      unsigned int p[9];
      ${["a", "b", "c"].map((name, k) => `p[${3 * k}] = ${slideLeft(o.slide, `before_${name}`, `here_${name}`)};\np[${3 * k + 1}] = here_${name};\np[${3 * k + 2}] = ${slideRight(o.slide, `here_${name}`, `after_${name}`)};`).join("\n")}
      ${network("function", "unsigned int", "bytes")}
      const unsigned int result = p[4];`;
    const loop =
      o.keep === "reread"
        ? `
          for (int row = top; row < top + RUN; ++row) {
            ${["a", "b", "c"].map((name, k) => `${declare(name)}\n${read(name, `row + ${k}`)}`).join("\n")}
            ${o.method === "nine" ? nine : sorted}
            out[(y0 + row) * WORDS + q0 + column - 4] = result;
          }`
        : `
          ${declare("a")}
          ${declare("b")}
          ${read("a", "top")}
          ${read("b", "top + 1")}
          #pragma unroll
          for (int row = top; row < top + RUN; ++row) {
            ${declare("c")}
            ${read("c", "row + 2")}
            ${o.method === "nine" ? nine : sorted}
            out[(y0 + row) * WORDS + q0 + column - 4] = result;
            ${parts.map((part) => `${part}_a = ${part}_b, ${part}_b = ${part}_c;`).join("\n")}
          }`;
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${extent(sizes, o.size)}
      #define TW ${words}
      #define TH ${rows}
      #define RUN ${run}
      #define THREADS ${threads}
      ${o.method === "nine" ? exchangeDefinition("function", "unsigned int", "bytes") : threes("unsigned int", "bytes")}

      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}median(const unsigned int* __restrict__ image, unsigned int* __restrict__ out) {
        __shared__ __align__(16) unsigned int cells[TH + 2][TW + 8];
        const int q0 = blockIdx.x * TW;
        const int y0 = blockIdx.y * TH;
        ${wordEdges}
        ${wordFills[o.copy]}
        __syncthreads();
        const int column = threadIdx.x % TW + 4;
        const int top = threadIdx.x / TW * RUN;
        ${loop}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("median", [Math.ceil(w / 4 / words), Math.ceil(h / rows)], threads, ["image", "out"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
