import type { KernelDraft } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { batchOf, fillTile, findPivot, pipelineHeader, searches, single, type Fill, type Sizes } from "./parts.ts";

interface Shell {
  readonly kernel: string;
  readonly warps: number;
  readonly pitch: number;
  readonly fill: Fill;
  readonly restrict: boolean;
  readonly body: string;
}

/** A kernel in which every warp holds one matrix as a tile of shared memory. */
function warpTile(shell: Shell, sizes: Sizes): KernelDraft {
  const q = on(shell.restrict, " __restrict__");
  const source = `${pipelineHeader(shell.fill)}#define WARPS ${shell.warps}
#define PITCH ${shell.pitch}

extern "C" __global__ void ${shell.kernel}(const float*${q} a, float*${q} lu, int*${q} perm) {
  __shared__ __align__(16) float tiles[WARPS][32][PITCH];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int m = blockIdx.x * WARPS + warp;
  const float* src = a + (size_t)m * 1024;
  float* dst = lu + (size_t)m * 1024;
  float (*s)[PITCH] = tiles[warp];
  ${fillTile(shell.fill, shell.pitch % 4 === 0)}
  __syncwarp();
  ${shell.body}
}
`;
  return single(source, shell.kernel, batchOf(sizes) / shell.warps, 32 * shell.warps);
}

const trackRow = "row = __shfl_sync(0xffffffffu, row, lane == k ? p : lane == p ? k : lane);";

const swapTileRows = `__syncwarp();
    const float held = s[k][lane];
    s[k][lane] = s[p][lane];
    s[p][lane] = held;
    ${trackRow}
    __syncwarp();`;

const storeInOrder = `for (int r = 0; r < 32; ++r) dst[r * 32 + lane] = s[r][lane];
  perm[m * 32 + lane] = row;`;

const storeByPlace = `for (int r = 0; r < 32; ++r) dst[__shfl_sync(0xffffffffu, place, r) * 32 + lane] = s[r][lane];
  perm[m * 32 + place] = lane;`;

const storeByOwner = `for (int r = 0; r < 32; ++r) {
    const int who = __ffs(__ballot_sync(0xffffffffu, place == r)) - 1;
    dst[r * 32 + lane] = s[who][lane];
    if (lane == r) perm[m * 32 + r] = who;
  }`;

const scaledBy = (reciprocal: boolean, value: string): string =>
  reciprocal ? `${value} * (1.0f / d)` : `${value} / d`;

export const tileRows = template({
  id: "tile-rows",
  from: "block-shared",
  count: 21,
  idea: "let one warp own a matrix, each lane eliminating in its own row",
  options: {
    exchange: ["move", "stay"],
    search: searches,
    reciprocal: [false, true],
    store: ["place", "owner"],
    fill: ["rows", "quads", "async"],
    unroll: ["", "#pragma unroll 4\n", "#pragma unroll 1\n"],
    restrict: [true, false],
    pitch: [33, 32, 36],
    warps: [4, 2, 8, 1],
  },
  valid: (o) => (o.exchange === "stay" || o.store === "place") && (o.fill === "quads" || o.pitch !== 36),
  write(o, sizes) {
    const moving = `int row = lane;
  for (int k = 0; k < 32; ++k) {
    ${findPivot(o.search, "lane >= k ? fabsf(s[lane][k]) : 0.0f")}
    ${swapTileRows}
    const float d = s[k][k];
    if (lane > k) {
      const float f = ${scaledBy(o.reciprocal, "s[lane][k]")};
      s[lane][k] = f;
      ${o.unroll}for (int j = k + 1; j < 32; ++j) s[lane][j] -= f * s[k][j];
    }
    __syncwarp();
  }
  ${storeInOrder}`;
    const staying = `int place = -1;
  for (int k = 0; k < 32; ++k) {
    const float entry = s[lane][k];
    ${findPivot(o.search, "place < 0 ? fabsf(entry) : 0.0f")}
    if (lane == p) place = k;
    const float d = __shfl_sync(0xffffffffu, entry, p);
    if (place < 0) {
      const float f = ${scaledBy(o.reciprocal, "entry")};
      s[lane][k] = f;
      ${o.unroll}for (int j = k + 1; j < 32; ++j) s[lane][j] -= f * s[p][j];
    }
    __syncwarp();
  }
  ${o.store === "place" ? storeByPlace : storeByOwner}`;
    const body = o.exchange === "move" ? moving : staying;
    return styled(warpTile({ ...o, kernel: "lu_warp_rows", body }, sizes), { names: "snake", indent: 2 });
  },
});

export const tileColumns = template({
  id: "tile-columns",
  from: "tile-rows",
  count: 21,
  idea: "give each lane a column, so that every access of the update is a whole row",
  options: {
    multipliers: ["tile", "shuffle"],
    search: ["ballot", "pairs", "redux", "packed"],
    reciprocal: [false, true],
    all_lanes: [false, true],
    fill: ["rows", "quads", "async"],
    unroll: ["", "#pragma unroll 4\n", "#pragma unroll 1\n"],
    restrict: [true, false],
    pitch: [33, 32, 36],
    warps: [4, 2, 8, 1],
  },
  valid: (o) => o.fill === "quads" || o.pitch !== 36,
  write(o, sizes) {
    const shuffled = o.multipliers === "shuffle";
    const f = shuffled ? "__shfl_sync(0xffffffffu, scaled, r)" : "s[r][k]";
    // A shuffle in the loop needs all lanes there, whatever they do with its result.
    const everyLane = o.all_lanes || shuffled;
    const u = o.all_lanes ? "lane > k ? pivot_entry : 0.0f" : "pivot_entry";
    const step =
      shuffled && !o.all_lanes
        ? `const float f = ${f};\nif (lane > k) s[r][lane] -= f * u;`
        : `s[r][lane] -= ${f} * u;`;
    const body = `int row = lane;
  for (int k = 0; k < 32; ++k) {
    ${findPivot(o.search, "lane >= k ? fabsf(s[lane][k]) : 0.0f")}
    __syncwarp();
    const float pivot_entry = s[p][lane];
    s[p][lane] = s[k][lane];
    s[k][lane] = pivot_entry;
    ${trackRow}
    __syncwarp();
    const float d = __shfl_sync(0xffffffffu, pivot_entry, k);
    const float scaled = ${scaledBy(o.reciprocal, "s[lane][k]")};
    __syncwarp();
    if (lane > k) s[lane][k] = scaled;
    __syncwarp();
    const float u = ${u};
    ${on(!everyLane, "if (lane > k) {")}
    ${o.unroll}for (int r = k + 1; r < 32; ++r) {
      ${step}
    }
    ${on(!everyLane, "}")}
    __syncwarp();
  }
  ${storeInOrder}`;
    return styled(warpTile({ ...o, kernel: "lu_warp_columns", body }, sizes), { names: "camel", indent: 4 });
  },
});

export const leftLooking = template({
  id: "left-looking",
  from: "tile-columns",
  count: 22,
  idea: "finish one column at a time from those before it, with the column in a register per lane",
  options: {
    search: ["redux", "pairs", "ballot", "packed"],
    reciprocal: [true, false],
    split: [false, true],
    masked: [true, false],
    fill: ["rows", "quads", "async"],
    unroll: ["", "#pragma unroll 4\n", "#pragma unroll 2\n"],
    restrict: [true, false],
    pitch: [33, 36],
    warps: [4, 2, 8, 1],
  },
  valid: (o) => o.fill === "quads" || o.pitch === 33,
  write(o, sizes) {
    const term = o.masked ? "entry -= (lane > i ? s[lane][i] : 0.0f) * u;" : "if (lane > i) entry -= s[lane][i] * u;";
    // The rows below k take their sum in two chains; only those above depend on each other.
    const chain = o.split
      ? `float second = 0.0f;
    ${o.unroll}for (int i = 0; i < k; ++i) {
      const float u = __shfl_sync(0xffffffffu, entry + second, i);
      const float l = lane > i ? s[lane][i] : 0.0f;
      if (i & 1) second -= l * u;
      else entry -= l * u;
    }
    entry += second;`
      : `${o.unroll}for (int i = 0; i < k; ++i) {
      const float u = __shfl_sync(0xffffffffu, entry, i);
      ${term}
    }`;
    const body = `int row = lane;
  for (int k = 0; k < 32; ++k) {
    float entry = s[lane][k];
    ${chain}
    ${findPivot(o.search, "lane >= k ? fabsf(entry) : 0.0f")}
    const int partner = lane == k ? p : lane == p ? k : lane;
    const float d = __shfl_sync(0xffffffffu, entry, p);
    entry = __shfl_sync(0xffffffffu, entry, partner);
    row = __shfl_sync(0xffffffffu, row, partner);
    __syncwarp();
    const float held = s[k][lane];
    s[k][lane] = s[p][lane];
    s[p][lane] = held;
    __syncwarp();
    s[lane][k] = lane > k ? ${scaledBy(o.reciprocal, "entry")} : entry;
    __syncwarp();
  }
  ${storeInOrder}`;
    return styled(warpTile({ ...o, kernel: "crout_warp", body }, sizes), { names: "snake", indent: 4 });
  },
});

export const panels = template({
  id: "panels",
  from: "tile-columns",
  count: 20,
  idea: "factor a panel of columns in registers and apply it to the rest at once",
  options: {
    search: ["packed", "redux", "ballot", "pairs"],
    reciprocal: [true, false],
    solve: ["registers", "tile"],
    quads: [true, false],
    fill: ["quads", "rows", "async"],
    batched_moves: [true, false],
    restrict: [true, false],
    width: [8, 4, 16],
    warps: [4, 2, 8, 1],
  },
  valid: (o) => (o.fill === "quads" || !o.quads) && (o.solve === "registers" || !o.quads),
  write(o, sizes) {
    const w = o.width;
    const multiply = o.quads
      ? `#pragma unroll
        for (int i = 0; i < WIDTH; i += 4) {
          const float4 l = *reinterpret_cast<const float4*>(&s[r][b + i]);
          sum -= l.x * u[i] + l.y * u[i + 1] + l.z * u[i + 2] + l.w * u[i + 3];
        }`
      : `#pragma unroll
        for (int i = 0; i < WIDTH; ++i) sum -= s[r][b + i] * ${o.solve === "registers" ? "u[i]" : "s[b + i][lane]"};`;
    const solve =
      o.solve === "registers"
        ? `float u[WIDTH];
      #pragma unroll
      for (int i = 0; i < WIDTH; ++i) u[i] = s[b + i][lane];
      #pragma unroll
      for (int i = 0; i < WIDTH; ++i) {
        #pragma unroll
        for (int r = i + 1; r < WIDTH; ++r) u[r] -= s[b + r][b + i] * u[i];
      }
      #pragma unroll
      for (int i = 0; i < WIDTH; ++i) s[b + i][lane] = u[i];`
        : `for (int i = 0; i < WIDTH; ++i) {
        for (int r = i + 1; r < WIDTH; ++r) s[b + r][lane] -= s[b + r][b + i] * s[b + i][lane];
      }`;
    const moves = o.batched_moves
      ? `float old[32];
    #pragma unroll
    for (int c = 0; c < 32; ++c) old[c] = s[from][c];
    __syncwarp();
    #pragma unroll
    for (int c = 0; c < 32; ++c) {
      if (c < b || c >= b + WIDTH) s[lane][c] = old[c];
    }`
      : `for (int c = 0; c < 32; ++c) {
      const float old = s[from][c];
      __syncwarp();
      if (c < b || c >= b + WIDTH) s[lane][c] = old;
    }`;
    const body = `int row = lane;
  for (int b = 0; b < 32; b += WIDTH) {
    float v[WIDTH];
    int from = lane;
    #pragma unroll
    for (int c = 0; c < WIDTH; ++c) v[c] = s[lane][b + c];
    #pragma unroll
    for (int t = 0; t < WIDTH; ++t) {
      const int k = b + t;
      ${findPivot(o.search, "lane >= k ? fabsf(v[t]) : 0.0f")}
      const int partner = lane == k ? p : lane == p ? k : lane;
      from = __shfl_sync(0xffffffffu, from, partner);
      #pragma unroll
      for (int c = 0; c < WIDTH; ++c) v[c] = __shfl_sync(0xffffffffu, v[c], partner);
      const float d = __shfl_sync(0xffffffffu, v[t], k);
      const float f = lane > k ? ${scaledBy(o.reciprocal, "v[t]")} : 0.0f;
      if (lane > k) v[t] = f;
      #pragma unroll
      for (int c = t + 1; c < WIDTH; ++c) v[c] -= f * __shfl_sync(0xffffffffu, v[c], k);
    }
    row = __shfl_sync(0xffffffffu, row, from);
    ${moves}
    #pragma unroll
    for (int c = 0; c < WIDTH; ++c) s[lane][b + c] = v[c];
    __syncwarp();
    if (lane >= b + WIDTH) {
      ${solve}
      for (int r = b + WIDTH; r < 32; ++r) {
        float sum = s[r][lane];
        ${multiply}
        s[r][lane] = sum;
      }
    }
    __syncwarp();
  }
  ${storeInOrder}`;
    const draft = warpTile({ ...o, pitch: o.quads ? 36 : 33, kernel: "lu_panels", body }, sizes);
    const source = draft.source.replace("#define PITCH", `#define WIDTH ${w}\n#define PITCH`);
    return styled({ ...draft, source }, { names: "camel", indent: 2 });
  },
});
