import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { accumulate, atomics, ending, packed, zero } from "./endings.ts";

/** Tiles that are read by rows and added up by columns. */
export const turnedTile: Template = template({
  id: "turned-tiles",
  from: "square-blocks",
  idea: "Put tiles into shared memory by rows and let warps take columns of the tile, with lanes on its rows.",
  options: {
    fold: ["at-end", "per-tile"],
    finish: ["atomic", "split", "thread"],
    pad: [true, false],
    fill: ["rows", "linear", "quads"],
    double: [false, true],
    width: [32, 64],
    height: [32, 64],
    strips: [64, 128, 32],
  },
  valid: ({ fill, pad, double, width, height }) => (fill !== "quads" || !pad) && (!double || width * height <= 2048),
  count: 36,
  write: ({ fold, finish, pad, fill, double, width, height, strips }, { rows = 0, cols = 0 }) => {
    const tail = ending(finish, strips, cols);
    const atomic = finish === "atomic";
    const slot = double ? "tile[t % 2]" : "tile";
    const fills = {
      rows: `
          for (int y = warp; y < HEIGHT; y += 8) {
            for (int x = lane; x < WIDTH; x += 32) ${slot}[y][x] = from[(size_t)(t * HEIGHT + y) * COLS + x];
          }`,
      linear: `
          for (int i = threadIdx.x; i < WIDTH * HEIGHT; i += 256) {
            ${slot}[i / WIDTH][i % WIDTH] = from[(size_t)(t * HEIGHT + i / WIDTH) * COLS + i % WIDTH];
          }`,
      quads: `
          for (int i = threadIdx.x; i < WIDTH / 4 * HEIGHT; i += 256) {
            const int y = i / (WIDTH / 4), x = 4 * (i % (WIDTH / 4));
            *(float4*)&${slot}[y][x] = *(const float4*)&from[(size_t)(t * HEIGHT + y) * COLS + x];
          }`,
    };
    const column = "warp * (WIDTH / 8) + j";
    const gather = `${slot}[lane][${column}]${on(height === 64, ` + ${slot}[lane + 32][${column}]`)}`;
    const shuffle = (v: string): string =>
      `for (int hop = 16; hop > 0; hop >>= 1) ${v} += __shfl_down_sync(0xffffffffu, ${v}, hop);`;
    const take =
      fold === "at-end"
        ? `sum[j] += ${gather};`
        : `
            float v = ${gather};
            ${shuffle("v")}
            sum[j] += v;`;
    const source = `
      #define COLS ${cols}
      #define WIDTH ${width}
      #define HEIGHT ${height}
      #define TILES ${rows / height / strips}  // per strip
      ${tail.source}
      extern "C" __global__ void tile_columns(const float* __restrict__ a, float* __restrict__ ${atomic ? "out" : "work"}) {
        __shared__ ${on(fill === "quads", "__align__(16) ")}float tile${on(double, "[2]")}[HEIGHT][WIDTH${on(pad, " + 1")}];
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const float* from = a + (size_t)blockIdx.y * TILES * HEIGHT * COLS + blockIdx.x * WIDTH;
        float sum[WIDTH / 8] = {};
        for (int t = 0; t < TILES; ++t) {
          ${fills[fill]}
          __syncthreads();
          #pragma unroll
          for (int j = 0; j < WIDTH / 8; ++j) {
            ${take}
          }
          ${on(!double, "__syncthreads();")}
        }
        #pragma unroll
        for (int j = 0; j < WIDTH / 8; ++j) {
          ${on(fold === "at-end", shuffle("sum[j]"))}
          const int c = blockIdx.x * WIDTH + ${column};
          if (lane == 0) ${atomic ? "atomicAdd(out + c, sum[j]);" : "work[blockIdx.y * COLS + c] = sum[j];"}
        }
      }
    `;
    const main = launch("tile_columns", [cols / width, strips], 256, ["a", atomic ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "camel", indent: 4 });
  },
});

/** Warps draw units of columns by rows. */
export const warpUnits: Template = template({
  id: "warp-units",
  from: "row-strips",
  idea: "Cut the matrix into units of one warp's columns by some rows, and let resident warps walk over the units.",
  options: {
    flush: ["atomic", "work"],
    order: ["across", "down"],
    lanes: [4, 2, 1],
    batch: ["array", "pragma", "none"],
    load: ["plain", "ldg", "ldcs"],
    hold: [false, true],
    depth: [8, 4, 16],
    chunk: [128, 64, 256, 512],
    warps: [8, 4, 16],
  },
  valid: ({ flush, hold, order }) => !hold || (flush === "atomic" && order === "down"),
  count: 27,
  write: ({ flush, order, lanes, batch, load, hold, depth, chunk, warps }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const packs = cols / lanes;
    const groups = packs / 32;
    const chunks = rows / chunk;
    const tail = ending(flush === "atomic" ? "atomic" : "split", chunks, cols);
    const get = (r: string): string =>
      ({ plain: `p[${r} * PACKS]`, ldg: `__ldg(p + ${r} * PACKS)`, ldcs: `__ldcs(p + ${r} * PACKS)` })[load];
    const walk =
      batch === "array"
        ? `
          for (int r = 0; r < CHUNK; r += ${depth}) {
            ${type} v[${depth}];
            #pragma unroll
            for (int k = 0; k < ${depth}; ++k) v[k] = ${get("(r + k)")};
            #pragma unroll
            for (int k = 0; k < ${depth}; ++k) {
              ${accumulate(lanes, "total", "v[k]")}
            }
          }`
        : `
          ${on(batch === "pragma", `#pragma unroll ${depth}`)}
          for (int r = 0; r < CHUNK; ++r) {
            const ${type} v = ${get("r")};
            ${accumulate(lanes, "total", "v")}
          }`;
    const [group, part] = order === "across" ? ["unit % GROUPS", "unit / GROUPS"] : ["unit / CHUNKS", "unit % CHUNKS"];
    const add = atomics(lanes, `out + ${lanes} * c`, "total");
    const each = `
          const int c = ${group} * 32 + lane;
          const ${type}* p = a + (size_t)(${part}) * CHUNK * PACKS + c;
          ${type} total = ${zero(lanes)};
          ${walk}
          ${flush === "atomic" ? add : `work[(${part}) * PACKS + c] = total;`}`;
    const held = `
        // Neighbouring units lie in the same columns, so the total is kept while the columns stay.
        const int per = (GROUPS * CHUNKS + warps - 1) / warps;
        const int last = min(GROUPS * CHUNKS, (me + 1) * per);
        ${type} total = ${zero(lanes)};
        for (int unit = me * per; unit < last; ++unit) {
          const int c = ${group} * 32 + lane;
          const ${type}* p = a + (size_t)(${part}) * CHUNK * PACKS + c;
          ${walk}
          if (unit + 1 == last || (unit + 1) % CHUNKS == 0) {
            ${add}
            total = ${zero(lanes)};
          }
        }`;
    const source = `
      #define PACKS ${packs}
      #define GROUPS ${groups}
      #define CHUNK ${chunk}
      #define CHUNKS ${chunks}
      ${tail.source}
      extern "C" __global__ void walk_units(const ${type}* __restrict__ a, ${flush === "atomic" ? "float* out" : `${type}* __restrict__ work`}) {
        const int lane = threadIdx.x & 31;
        const int me = (blockIdx.x * blockDim.x + threadIdx.x) >> 5;
        const int warps = (gridDim.x * blockDim.x) >> 5;
        ${hold ? held : `for (int unit = me; unit < GROUPS * CHUNKS; unit += warps) {\n${each}\n}`}
      }
    `;
    const main = launch("walk_units", 132 * (32 / warps), 32 * warps, ["a", flush === "atomic" ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "snake", indent: 2 });
  },
});
