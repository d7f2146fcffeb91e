import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { bagLoop, include, packCode, vectorOf } from "./packs.ts";

const parameters = (type: string, restrict: boolean): string => {
  const mark = on(restrict, " __restrict__");
  return `const ${type}*${mark} table, const int*${mark} indices, const int*${mark} offsets, ${type}*${mark} out`;
};

const buffers = ["table", "indices", "offsets", "out"] as const;

/** One thread per bag. */
export const threadBag: Template = template({
  id: "bag-per-thread",
  from: null,
  idea: "Give each bag to one thread that keeps a slice of the row's sums in registers.",
  options: {
    width: [1, 8, 4, 2],
    convert: ["singles", "pairs", "low-high"],
    packs: [1, 2, 4],
    order: ["slices-inside", "slices-grid"],
    flight: [1, 2, 4],
    style: ["array", "named", "pragma"],
    restrict: [false, true],
    block: [64, 32, 128, 256],
  },
  valid: ({ packs, flight, width, convert }) => (packs === 1 || flight === 1) && (width > 1 || convert === "singles"),
  count: 27,
  write: ({ width, convert, packs, order, flight, style, restrict, block }, { bags = 0, dim = 0 }) => {
    const type = vectorOf(width);
    const slices = dim / width / packs;
    const inner =
      packs === 1
        ? `
          float sum[${width}] = {};
          ${bagLoop(flight, style, {
            from: "begin",
            to: "end",
            step: 1,
            type,
            index: (i) => `indices[${i}]`,
            row: (index) => `table[(size_t)${index} * PACKS + s]`,
          })}
          out[(size_t)bag * PACKS + s] = to_pack(sum);`
        : `
          float sum[${packs}][${width}] = {};
          for (int i = begin; i < end; ++i) {
            const ${type}* row = table + (size_t)indices[i] * PACKS + s * ${packs};
            ${repeat(packs, (k) => `add_row(sum[${k}], row[${k}]);`)}
          }
          ${repeat(packs, (k) => `out[(size_t)bag * PACKS + s * ${packs} + ${k}] = to_pack(sum[${k}]);`)}`;
    const source = `
      ${include}
      #define PACKS ${dim / width}
      ${packCode(width, convert)}
      extern "C" __global__ void sum_bags(${parameters(type, restrict)}, int bags) {
        int bag = blockIdx.x * blockDim.x + threadIdx.x;
        if (bag >= bags) return;
        int begin = offsets[bag];
        int end = offsets[bag + 1];
        ${order === "slices-inside" ? `for (int s = 0; s < ${slices}; ++s) {\n${inner}\n}` : `int s = blockIdx.y;\n${inner}`}
      }
    `;
    const blocks = Math.ceil(bags / block);
    const grid = order === "slices-inside" ? blocks : ([blocks, slices] as const);
    return styled(
      { source, launches: [launch("sum_bags", grid, block, [...buffers, { i32: bags }])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Neighbouring threads on neighbouring columns. */
export const columnThread: Template = template({
  id: "column-per-thread",
  from: "bag-per-thread",
  idea: "Put neighbouring threads on neighbouring columns of a bag so that each row is one coalesced read.",
  options: {
    width: [1, 2, 4, 8],
    convert: ["singles", "pairs", "low-high"],
    shape: ["flat", "grid2d", "loop"],
    flight: [1, 4, 2, 8],
    style: ["pragma", "array", "named"],
    load: ["plain", "ldg"],
    restrict: [true, false],
    block: [128, 256, 64, 512],
  },
  valid: ({ width, convert, flight, style, block }) =>
    (width > 1 || convert === "singles") && (flight > 1 || style === "pragma") && block * width >= 128,
  count: 30,
  write: ({ width, convert, shape, flight, style, load, restrict, block }, { bags = 0, dim = 0 }) => {
    const type = vectorOf(width);
    const lanes = dim / width;
    const per = block / lanes;
    const read = (place: string): string => (load === "plain" ? `table[${place}]` : `__ldg(table + ${place})`);
    const work = `
        const int end = offsets[bag + 1];
        float sum[${width}] = {};
        ${bagLoop(flight, style, {
          from: "offsets[bag]",
          to: "end",
          step: 1,
          type,
          index: (i) => `indices[${i}]`,
          row: (index) => read(`(size_t)${index} * LANES + column`),
        })}
        out[(size_t)bag * LANES + column] = to_pack(sum);`;
    const place = {
      flat: `
        const int column = threadIdx.x % LANES;
        const int bag = blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;
        ${work}`,
      grid2d: `
        const int column = threadIdx.x;
        const int bag = blockIdx.x * blockDim.y + threadIdx.y;
        ${work}`,
      loop: `
        const int column = threadIdx.x % LANES;
        const int step = gridDim.x * blockDim.x / LANES;
        for (int bag = (blockIdx.x * blockDim.x + threadIdx.x) / LANES; bag < ${bags}; bag += step) {
          ${work}
        }`,
    }[shape];
    const source = `
      ${include}
      constexpr int LANES = ${lanes};
      ${packCode(width, convert)}
      extern "C" __global__ void bag_columns(${parameters(type, restrict)}) {
        ${place}
      }
    `;
    const threads = shape === "grid2d" ? ([lanes, per] as const) : block;
    const grid = shape === "loop" ? 132 * (2048 / block) : bags / per;
    return styled(
      { source, launches: [launch("bag_columns", grid, threads, [...buffers])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** One warp per bag. */
export const warpBag: Template = template({
  id: "bag-per-warp",
  from: "column-per-thread",
  idea: "Let one warp sum a bag; its lanes load 32 indices at once and pass them around with shuffles.",
  options: {
    fetch: ["shuffle", "broadcast", "vector-index"],
    width: [4, 2],
    convert: ["pairs", "low-high", "singles"],
    flight: [4, 2, 8, 1],
    style: ["array", "named", "pragma"],
    bounds: [false, true],
    store: ["plain", "stcs"],
    index: ["size_t", "unsigned"],
    warps: [8, 4, 2, 1, 16],
  },
  valid: ({ width, store, flight, style, fetch }) =>
    (width === 4 || store === "plain") &&
    (flight > 1 || style === "pragma") &&
    (fetch !== "vector-index" || flight === 4),
  count: 32,
  write: (options, { bags = 0, dim = 0 }) => {
    const { fetch, width, convert, flight, style, bounds, store, index, warps } = options;
    const type = vectorOf(width);
    const pieces = dim / width / 32;
    const at = (row: string, piece: number): string =>
      `table[(${index === "size_t" ? "size_t" : "unsigned int"})${row} * PACKS + lane${on(piece > 0, ` + ${32 * piece}`)}]`;
    const sums = repeat(pieces, (p) => `float sum${p}[${width}] = {};`);
    const addAll = (row: string): string => repeat(pieces, (p) => `add_row(sum${p}, ${at(row, p)});`);
    const put = (p: number): string => {
      const place = `out[(size_t)bag * PACKS + lane${on(p > 0, ` + ${32 * p}`)}]`;
      return store === "plain" ? `${place} = to_pack(sum${p});` : `__stcs(&${place}, to_pack(sum${p}));`;
    };
    const shuffled = `
        for (int first = begin; first < end; first += 32) {
          const int held = first + lane < end ? indices[first + lane] : 0;
          const int many = min(32, end - first);
          ${
            style === "pragma" || flight === 1
              ? `${on(flight > 1, `#pragma unroll ${flight}`)}
          for (int k = 0; k < many; ++k) {
            const int row = __shfl_sync(0xffffffffu, held, k);
            ${addAll("row")}
          }`
              : `int k = 0;
          for (; k + ${flight - 1} < many; k += ${flight}) {
            ${
              style === "array"
                ? `int row[${flight}];
            #pragma unroll
            for (int j = 0; j < ${flight}; ++j) row[j] = __shfl_sync(0xffffffffu, held, k + j);
            ${type} pack[${flight}][${pieces}];
            #pragma unroll
            for (int j = 0; j < ${flight}; ++j) {
              ${repeat(pieces, (p) => `pack[j][${p}] = ${at("row[j]", p)};`)}
            }
            #pragma unroll
            for (int j = 0; j < ${flight}; ++j) {
              ${repeat(pieces, (p) => `add_row(sum${p}, pack[j][${p}]);`)}
            }`
                : `${repeat(flight, (j) => `const int row${j} = __shfl_sync(0xffffffffu, held, k + ${j});`)}
            ${repeat(flight, (j) => addAll(`row${j}`))}`
            }
          }
          for (; k < many; ++k) {
            const int row = __shfl_sync(0xffffffffu, held, k);
            ${addAll("row")}
          }`
          }
        }`;
    const source = `
      ${include}
      #define WARPS ${warps}
      #define PACKS ${dim / width}
      ${packCode(width, convert)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WARPS * 32) ")}warp_bags(${parameters(type, true)}) {
        const int lane = threadIdx.x & 31;
        const int bag = blockIdx.x * WARPS + (threadIdx.x >> 5);
        const int begin = offsets[bag];
        const int end = offsets[bag + 1];
        ${sums}
        ${{ shuffle: shuffled, broadcast: broadcastLoop(flight, addAll), "vector-index": indexQuads(addAll) }[fetch]}
        ${repeat(pieces, put)}
      }
    `;
    return styled(
      { source, launches: [launch("warp_bags", bags / warps, warps * 32, [...buffers])] },
      { names: "snake", indent: 2 },
    );
  },
});

function indexQuads(addAll: (row: string) => string): string {
  return `
        int i = begin;
        for (; i < end && i % 4 != 0; ++i) {
          const int row = indices[i];
          ${addAll("row")}
        }
        for (; i + 3 < end; i += 4) {
          const int4 rows = *reinterpret_cast<const int4*>(indices + i);
          ${["x", "y", "z", "w"].map((part) => addAll(`rows.${part}`)).join("\n")}
        }
        for (; i < end; ++i) {
          const int row = indices[i];
          ${addAll("row")}
        }`;
}

function broadcastLoop(flight: number, addAll: (row: string) => string): string {
  return `
        ${on(flight > 1, `#pragma unroll ${flight}`)}
        for (int i = begin; i < end; ++i) {
          const int row = indices[i];
          ${addAll("row")}
        }`;
}
