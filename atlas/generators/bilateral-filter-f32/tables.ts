import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { column, definitions, extent, rangeExp2, row, spatialOf } from "./parts.ts";

/** The range factor from a table in shared memory: differences are whole numbers. */
export const levelTable: Template = template({
  id: "level-table",
  from: "rim-tile",
  idea: "Look the range weight up: differences of grey levels are whole numbers, so a small table holds every factor.",
  options: {
    entry: ["weight", "pair"],
    index: ["sad", "convert", "signed"],
    spatial: ["table", "separable", "computed"],
    pixels: ["int", "short", "byte"],
    home: ["shared", "constant"],
    unroll: ["both", "inner"],
    run: [1, 2, 4],
    tile: ["32x8", "32x16", "64x8", "32x32"],
  },
  valid: (o) =>
    (o.entry === "weight" || o.index === "signed") &&
    Number(o.tile.split("x")[0]) * Number(o.tile.split("x")[1]) <= 1024 * o.run,
  count: 27,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const cell = { int: "int", short: "short", byte: "unsigned char" }[o.pixels];
    const pair = o.entry === "pair";
    const signed = o.index === "signed";
    const home = pair ? "shared" : o.home;
    const index = {
      sad: "__sad(v, centre[p], 0)",
      convert: "abs(v - centre[p])",
      signed: "v - centre[p] + 255",
    }[o.index];
    const entries = signed ? 511 : 256;
    const factor = (k: string): string => `exp2f(-${rangeExp2} * (float)((${k}) * (${k})))`;
    const level = signed ? "i - 255" : "i";
    const build = pair
      ? `const float g = ${factor(level)};\nfactors[i] = make_float2(g, g * (float)(${level}));`
      : `factors[i] = ${factor(level)};`;
    const add = lookedUp(pair, index);
    const source = `
      ${extent(sizes, "define")}
      #define TX ${tx}
      #define TY ${ty}
      #define RUN ${o.run}
      #define THREADS (TX * TY / RUN)
      ${definitions("intrinsic", o.spatial, r)}
      ${on(home === "constant", `__constant__ float factors[${entries}] = {${constantTable(signed)}};`)}

      extern "C" __global__ void lookup_filter(const float* __restrict__ image, float* __restrict__ out) {
        __shared__ ${cell} tile[TY + 2 * R][TX + 2 * R];
        ${on(home === "shared", `__shared__ ${pair ? "float2" : "float"} factors[${entries}];`)}
        const int thread = threadIdx.y * TX + threadIdx.x;
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
${on(
  home === "shared",
  `for (int i = thread; i < ${entries}; i += THREADS) {
${build}
}`,
)}
        for (int i = thread; i < (TY + 2 * R) * (TX + 2 * R); i += THREADS) {
          const int a = i / (TX + 2 * R);
          const int b = i % (TX + 2 * R);
          tile[a][b] = (${cell})image[${row("y0 + a - R")} * W + ${column("x0 + b - R")}];
        }
        __syncthreads();
        const int first = threadIdx.y * RUN;
        int centre[RUN];
        float total[RUN], weights[RUN];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = tile[first + p + R][threadIdx.x + R];
          total[p] = weights[p] = 0.0f;
        }
        ${on(o.unroll === "both", "#pragma unroll", "#pragma unroll 1")}
        for (int dx = -R; dx <= R; ++dx) {
          #pragma unroll
          for (int j = 0; j < RUN + 2 * R; ++j) {
            const int v = tile[first + j][(int)threadIdx.x + dx + R];
            ${on(!pair, "const float level = (float)v;")}
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
              const int dy = j - p - R;
              if (dy >= -R && dy <= R) {
                const float place = ${spatialOf("intrinsic", o.spatial, "dx", "dy")};
                ${add}
              }
            }
          }
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          out[(y0 + first + p) * W + x0 + threadIdx.x] = ${on(pair, "(float)centre[p] + ")}total[p] / weights[p];
        }
      }
    `;
    return styled(
      { source, launches: [launch("lookup_filter", [w / tx, h / ty], [tx, ty / o.run], ["image", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Adds a pixel with the factor that the table holds for it. */
function lookedUp(pair: boolean, index: string): string {
  return pair
    ? `const float2 g = factors[${index}];
      total[p] += place * g.y;
      weights[p] += place * g.x;`
    : `const float g = place * factors[${index}];
      total[p] += g * level;
      weights[p] += g;`;
}

/** Entries of the range table, from the difference 0 or -255 on. */
function constantTable(signed: boolean): string {
  return Array.from({ length: signed ? 511 : 256 }, (_, i) => {
    const d = signed ? i - 255 : i;
    return `${Math.exp((-d * d) / 1800).toExponential(8)}f`;
  }).join(", ");
}

/** A copy of the range table per lane, so that lanes never meet in a bank. */
export const laneTables: Template = template({
  id: "table-per-lane",
  from: "level-table",
  idea: "Give every lane its own column of the table, so that lookups of a warp fall into different banks.",
  options: {
    index: ["magic", "convert", "ints"],
    place: ["each", "row-sums", "mirrored"],
    unroll: ["all", "rows"],
    window: ["shared", "registers"],
    columns: ["lane-fast", "entry-fast"],
    threads: ["x32", "x64"],
    run: [4, 2, 1],
    height: [32, 16, 64],
  },
  valid: (o) =>
    (o.place !== "mirrored" || o.unroll === "all") &&
    (o.window === "shared" || o.unroll === "all") &&
    32 * o.height <= 1024 * o.run,
  count: 20,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const tx = o.threads === "x32" ? 32 : 64;
    const ty = (o.height * 32) / tx;
    const cell = o.index === "ints" ? "int" : "float";
    const level = {
      magic: "__float_as_int(fabsf(v - centre[p]) + 8388608.0f) - 0x4b000000",
      convert: "(int)fabsf(v - centre[p])",
      ints: "abs(v - centre[p])",
    }[o.index];
    const slot = o.columns === "lane-fast" ? "k * 32 + lane" : "lane * 257 + k";
    const rows = o.place === "row-sums";
    const place = spatialOf("intrinsic", "table", "dx", "dy");
    const add = rows
      ? `row_total[p] += g * (float)v;\nrow_weights[p] += g;`
      : `const float scaled = g * ${place};\ntotal[p] += scaled * (float)v;\nweights[p] += scaled;`;
    const one = (read: string): string => `
      const ${cell} v = ${read};
      const int k = ${level};
      const float g = factors[${slot}];
      ${add}`;
    const columnsLoop =
      o.place === "mirrored"
        ? `{
            const int dx = 0;
            ${one("from[R]")}
          }
          #pragma unroll
          for (int dx = 1; dx <= R; ++dx) {
            ${mirroredPair(level, slot, place)}
          }`
        : `#pragma unroll
          for (int dx = -R; dx <= R; ++dx) {
            ${one("from[R + dx]")}
          }`;
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int TX = ${tx}, TY = ${ty}, RUN = ${o.run};
      constexpr int PITCH = TX + 2 * R;
      constexpr int THREADS = TX * TY / RUN;
      ${definitions("intrinsic", "table", r)}

      extern "C" __global__ void __launch_bounds__(THREADS) lane_tables(const float* __restrict__ image, float* __restrict__ out) {
        extern __shared__ float factors[];
        ${cell}* tile = reinterpret_cast<${cell}*>(factors + 32 * 257);
        const int thread = threadIdx.y * TX + threadIdx.x;
        const int lane = thread % 32;
        const int x0 = blockIdx.x * TX, y0 = blockIdx.y * TY;
        for (int k = thread / 32; k < 256; k += THREADS / 32) {
          factors[${slot}] = exp2f(-${rangeExp2} * (float)(k * k));
        }
        for (int i = thread; i < (TY + 2 * R) * PITCH; i += THREADS) {
          tile[i] = (${cell})image[${row("y0 + i / PITCH - R")} * W + ${column("x0 + i % PITCH - R")}];
        }
        __syncthreads();
        ${cell} centre[RUN];
        float total[RUN], weights[RUN];
        const ${cell}* top = tile + threadIdx.y * RUN * PITCH + threadIdx.x;
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = top[(p + R) * PITCH + R];
          total[p] = 0.0f;
          weights[p] = 0.0f;
        }
        ${rows ? laneRowSums(o.unroll === "all", one) : laneRows(o.unroll === "all", o.window === "registers", cell, columnsLoop)}
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          out[(y0 + threadIdx.y * RUN + p) * W + x0 + threadIdx.x] = total[p] / weights[p];
        }
      }
    `;
    const bytes = 4 * (32 * 257 + (ty + 2 * r) * (tx + 2 * r));
    return styled(
      { source, launches: [launch("lane_tables", [w / tx, h / ty], [tx, ty / o.run], ["image", "out"], bytes)] },
      { names: "camel", indent: 4 },
    );
  },
});

function mirroredPair(level: string, slot: string, place: string): string {
  const side = (name: string): string => `
    const int k_${name} = ${level.replace("v -", `${name} -`)};
    const float g_${name} = factors[${slot.replace("k", `k_${name}`)}];`;
  return `
    const auto left = from[R - dx];
    const auto right = from[R + dx];
    ${side("left")}
    ${side("right")}
    const float place = ${place};
    total[p] = fmaf(place, fmaf(g_left, (float)left, g_right * (float)right), total[p]);
    weights[p] = fmaf(place, g_left + g_right, weights[p]);`;
}

function laneRows(all: boolean, registers: boolean, cell: string, columns: string): string {
  const from = registers
    ? `${cell} from[SIDE];
        #pragma unroll
        for (int b = 0; b < SIDE; ++b) from[b] = top[j * PITCH + b];`
    : `const ${cell}* from = top + j * PITCH;`;
  return `
    ${on(all, "#pragma unroll", "#pragma unroll 1")}
    for (int j = 0; j < RUN + 2 * R; ++j) {
      ${from}
      #pragma unroll
      for (int p = 0; p < RUN; ++p) {
        const int dy = j - p - R;
        if (dy >= -R && dy <= R) {
          ${columns}
        }
      }
    }`;
}

function laneRowSums(all: boolean, one: (read: string) => string): string {
  return `
    ${on(all, "#pragma unroll", "#pragma unroll 1")}
    for (int j = 0; j < SIDE; ++j) {
      #pragma unroll
      for (int m = 0; m <= R; ++m) {
        float row_total[RUN] = {}, row_weights[RUN] = {};
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          #pragma unroll
          for (int side = 0; side < (m == 0 ? 1 : 2); ++side) {
            ${one("top[(j + p) * PITCH + R + (side == 0 ? m : -m)]")}
          }
          const float place = spatial[j * SIDE + R + m];
          total[p] += place * row_total[p];
          weights[p] += place * row_weights[p];
        }
      }
    }`;
}
