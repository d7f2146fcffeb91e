import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { plainAt, serialMerge, splitFunction, type At } from "./search.ts";

const levels = [256, 512, 1024, 2048];
const buffers = ["x", "work", "y", "work", "y"];

/** Levels of pairs through memory; each thread merges a few numbers in a row. */
export const pathPasses: Template = template({
  id: "path-passes",
  from: "pair-passes",
  idea: "Cut the merge of a pair into equal pieces by bisection on diagonals and let a thread merge a piece serially.",
  options: {
    split: ["while", "bounded", "steps"],
    merge: ["checked", "select", "sentinel"],
    store: ["single", "vector"],
    width: ["argument", "copies"],
    restrict: [false, true],
    load: ["plain", "__ldg"],
    piece: [8, 4, 16, 32],
    block: [128, 256, 64],
  },
  count: 30,
  write: ({ split, merge, store, width, restrict, load, piece, block }, { rows = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const at: At = load === "plain" ? plainAt : (array, index) => `__ldg(${array} + ${index})`;
    const emit = (k: string, value: string): string =>
      store === "vector" ? `values[${k}] = ${value};` : `to[start + ${k}] = ${value};`;
    const kernel = (name: string, fixed: number): string => `
      extern "C" __global__ void ${name}(const int*${mark} from, int*${mark} to${on(fixed === 0, ", int n")}) {
        ${on(fixed > 0, `const int n = ${fixed};`)}
        const int start = (blockIdx.x * blockDim.x + threadIdx.x) * PIECE;
        const int pair = start / (2 * n), diagonal = start % (2 * n);
        const int* a = from + pair * 2 * n;
        const int* b = a + n;
        int i = split_at(a, b, n, diagonal);
        int j = diagonal - i;
        ${on(store === "vector", "int values[PIECE];")}
        ${serialMerge(merge, "PIECE", at, emit)}
        ${on(store === "vector", "#pragma unroll\nfor (int k = 0; k < PIECE; k += 4) *reinterpret_cast<int4*>(to + start + k) = make_int4(values[k], values[k + 1], values[k + 2], values[k + 3]);")}
      }
    `;
    const copies = width === "copies";
    const source = `
      #define PIECE ${piece}

      ${splitFunction(split, at)}
      ${copies ? levels.map((level) => kernel(`merge_level_${level}`, level)).join("\n") : kernel("merge_level", 0)}
    `;
    const launches = levels.map((level, turn) =>
      launch(copies ? `merge_level_${level}` : "merge_level", (rows * 4096) / piece / block, block, [
        buffers[turn] ?? "",
        buffers[turn + 1] ?? "",
        ...(copies ? [] : [{ i32: level }]),
      ]),
    );
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Where a tile's part of the first run begins and ends. */
function tileEnds(cut: "one-thread" | "two-threads" | "launch"): string {
  return {
    "one-thread": `
        __shared__ int begin_a, end_a;
        if (threadIdx.x == 0) {
          begin_a = split_at(a, a + n, n, diagonal);
          end_a = split_at(a, a + n, n, diagonal + TILE);
        }
        __syncthreads();
        const int first = begin_a, last = end_a;`,
    "two-threads": `
        __shared__ int ends[2];
        if (threadIdx.x < 2) ends[threadIdx.x] = split_at(a, a + n, n, diagonal + threadIdx.x * TILE);
        __syncthreads();
        const int first = ends[0], last = ends[1];`,
    launch: `
        const int first = cuts[blockIdx.x];
        const int last = diagonal + TILE == 2 * n ? n : cuts[blockIdx.x + 1];`,
  }[cut];
}

/** Merges a thread's numbers of a tile. */
function mergeParts(merge: "checked" | "select", store: "staged" | "direct"): string {
  const emit = (value: string): string =>
    store === "staged" ? `values[k] = ${value};` : `to[blockIdx.x * TILE + d + k] = ${value};`;
  return merge === "checked"
    ? `
          #pragma unroll
          for (int k = 0; k < EACH; ++k) {
            const bool take_a = j >= size_b || (i < size_a && cells[i] <= part_b[j]);
            const int value = take_a ? cells[i] : part_b[j];
            i += take_a;
            j += !take_a;
            ${emit("value")}
          }`
    : `
          int head_a = i < size_a ? cells[i] : 0x7fffffff, head_b = j < size_b ? part_b[j] : 0x7fffffff;
          #pragma unroll
          for (int k = 0; k < EACH; ++k) {
            if (j >= size_b || (i < size_a && head_a <= head_b)) {
              ${emit("head_a")}
              ++i;
              if (i < size_a) head_a = cells[i];
            } else {
              ${emit("head_b")}
              ++j;
              if (j < size_b) head_b = part_b[j];
            }
          }`;
}

/** Tiles of a pair's merge in shared memory. */
export const tilePasses: Template = template({
  id: "tile-passes",
  from: "path-passes",
  idea: "Cut each pair's merge into tiles, load a tile's two parts into shared memory and merge it there.",
  options: {
    cut: ["one-thread", "two-threads", "launch"],
    split: ["while", "bounded", "steps"],
    merge: ["checked", "select"],
    store: ["staged", "direct"],
    load: ["halves", "joined"],
    restrict: [false, true],
    tile: [512, 256],
    block: [64, 128, 32],
  },
  count: 28,
  write: ({ cut, split, merge, store, load, restrict, tile, block }, { rows = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const tiles = (rows * 4096) / tile;
    const ends = tileEnds(cut);
    const fill =
      load === "halves"
        ? `
          for (int k = threadIdx.x; k < size_a; k += THREADS) cells[k] = a[first + k];
          for (int k = threadIdx.x; k < size_b; k += THREADS) cells[size_a + k] = a[n + diagonal - first + k];`
        : `
          for (int k = threadIdx.x; k < TILE; k += THREADS) cells[k] = k < size_a ? a[first + k] : a[n + diagonal - first + k - size_a];`;
    // Within a tile the two parts have different lengths, so that this has its own bisection.
    const inner = `
      const int* part_b = cells + size_a;
      const int d = threadIdx.x * EACH;
      int low = max(0, d - size_b), high = min(d, size_a);
      while (low < high) {
        const int middle = (low + high) / 2;
        if (cells[middle] <= part_b[d - 1 - middle]) low = middle + 1;
        else high = middle;
      }
      int i = low, j = d - low;`;
    const serial = mergeParts(merge, store);
    const source = `
      #define TILE ${tile}
      #define THREADS ${block}
      #define EACH (TILE / THREADS)

      ${splitFunction(split, plainAt)}
      ${on(
        cut === "launch",
        `extern "C" __global__ void cut_tiles(const int*${mark} from, int*${mark} cuts, int n) {
          const int tile = blockIdx.x * blockDim.x + threadIdx.x;
          const int diagonal = tile * TILE % (2 * n);
          const int* a = from + tile * TILE - diagonal;
          cuts[tile] = split_at(a, a + n, n, diagonal);
        }`,
      )}

      extern "C" __global__ void merge_tiles(const int*${mark} from, int*${mark} to, int n${on(cut === "launch", `, const int*${mark} cuts`)}) {
        __shared__ int cells[TILE];
        const int diagonal = blockIdx.x * TILE % (2 * n);
        const int* a = from + blockIdx.x * TILE - diagonal;
        ${ends}
        const int size_a = last - first, size_b = TILE - size_a;
        ${fill}
        __syncthreads();
        ${inner}
        ${on(store === "staged", "int values[EACH];")}
        ${serial}
        ${on(
          store === "staged",
          `__syncthreads();
          #pragma unroll
          for (int k = 0; k < EACH; ++k) cells[d + k] = values[k];
          __syncthreads();
          for (int k = threadIdx.x; k < TILE; k += THREADS) to[blockIdx.x * TILE + k] = cells[k];`,
        )}
      }
    `;
    const launches = levels.flatMap((level, turn) => {
      const [from = "", to = ""] = [buffers[turn], buffers[turn + 1]];
      const cuts = cut === "launch" ? [launch("cut_tiles", tiles / 128, 128, [from, "splits", { i32: level }])] : [];
      return [
        ...cuts,
        launch("merge_tiles", tiles, block, [from, to, { i32: level }, ...(cut === "launch" ? ["splits"] : [])]),
      ];
    });
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Brings a row into shared memory; from memory directly, the first level is merged on the way. */
function fillRow(start: "staged" | "vector" | "memory", cell: (index: string) => string): string {
  return {
    staged: `for (int k = threadIdx.x; k < ROW; k += THREADS) ${cell("k")} = from[k];`,
    vector: `
        for (int k = threadIdx.x; k < ROW / 4; k += THREADS) {
          const int4 v = reinterpret_cast<const int4*>(from)[k];
          ${cell("4 * k")} = v.x;
          ${cell("4 * k + 1")} = v.y;
          ${cell("4 * k + 2")} = v.z;
          ${cell("4 * k + 3")} = v.w;
        }`,
    memory: `
        {
          const int n = 256, diagonal = place & 511;
          const int* a = from + place - diagonal;
          const int* b = a + n;
          int low = max(0, diagonal - n), high = min(diagonal, n);
          while (low < high) {
            const int middle = (low + high) / 2;
            if (a[middle] <= b[diagonal - 1 - middle]) low = middle + 1;
            else high = middle;
          }
          int i = low, j = diagonal - low;
          #pragma unroll
          for (int k = 0; k < EACH; ++k) {
            const bool take_a = j >= n || (i < n && a[i] <= b[j]);
            ${cell("place + k")} = take_a ? a[i] : b[j];
            i += take_a ? 1 : 0;
            j += take_a ? 0 : 1;
          }
        }`,
  }[start];
}

/** A whole row in shared memory, pieces of pairs per thread. */
export const sharedPaths: Template = template({
  id: "shared-paths",
  from: "path-passes",
  idea: "Keep a row in shared memory for all levels and let each thread merge equal pieces there.",
  options: {
    layout: ["plain", "padded"],
    split: ["while", "bounded", "steps"],
    merge: ["checked", "select", "sentinel"],
    buffer: ["registers", "two"],
    start: ["staged", "vector", "memory"],
    last: ["staged", "direct"],
    loop: ["rolled", "unrolled"],
    bounds: [false, true],
    block: [256, 512, 128],
  },
  valid: ({ buffer, start }) => !(buffer === "two" && start === "memory"),
  count: 19,
  write: ({ layout, split, merge, buffer, start, last, loop, bounds, block }, { rows = 0 }) => {
    const padded = layout === "padded";
    const cell = (index: string): string => (padded ? `cells[PAD(${index})]` : `cells[${index}]`);
    const at: At = (array, index) => cell(`${array} + ${index}`);
    const two = buffer === "two";
    const direct = last === "direct";
    const level = (target: "registers" | "next" | "memory"): string => {
      const emit = (k: string, value: string): string =>
        target === "registers"
          ? `values[${k}] = ${value};`
          : target === "next"
            ? `${padded ? `next[PAD(place + ${k})]` : `next[place + ${k}]`} = ${value};`
            : `to[place + ${k}] = ${value};`;
      return `
        const int diagonal = place & (2 * n - 1);
        const int a = place - diagonal, b = a + n;
        int i = split_at(cells, a, b, n, diagonal);
        int j = diagonal - i;
        ${serialMerge(merge, "EACH", at, emit)}`;
    };
    const back = `
      __syncthreads();
      #pragma unroll
      for (int k = 0; k < EACH; ++k) ${cell("place + k")} = values[k];
      __syncthreads();`;
    const swap = "__syncthreads();\nint* other = cells;\ncells = next;\nnext = other;";
    const inner = two ? `${level("next")}\n${swap}` : `int values[EACH];\n${level("registers")}\n${back}`;
    const pragma = loop === "unrolled" ? "#pragma unroll" : "#pragma unroll 1";
    const fill = fillRow(start, cell);
    const source = `
      #define ROW 4096
      #define THREADS ${block}
      #define EACH (ROW / THREADS)
      ${on(padded, "// A gap after every 32 numbers, so that threads that walk side by side meet in different banks.\n#define PAD(k) ((k) + ((k) >> 5))\n#define CELLS PAD(ROW)", "#define CELLS ROW")}

      ${splitFunction(split, at, true)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}merge_row(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ int storage[${two ? "2 * " : ""}CELLS];
        int* cells = storage;
        ${on(two, "int* next = storage + CELLS;")}
        const int* from = x + blockIdx.x * ROW;
        int* to = y + blockIdx.x * ROW;
        const int place = threadIdx.x * EACH;
        ${fill}
        __syncthreads();
        ${pragma}
        for (int n = ${start === "memory" ? 512 : 256}; n < ${direct ? 2048 : 4096}; n *= 2) {
          ${inner}
        }
        ${
          direct
            ? `const int n = 2048;\n${level("memory")}`
            : `for (int k = threadIdx.x; k < ROW; k += THREADS) to[k] = ${cell("k")};`
        }
      }
    `;
    return styled({ source, launches: [launch("merge_row", rows, block, ["x", "y"])] }, { names: "snake", indent: 2 });
  },
});
