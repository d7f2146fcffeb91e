import { on, styled, template } from "../kit/code.ts";
import { batchOf, findPivot, searches, single } from "./parts.ts";

export const bounds = (bounded: boolean, warps: number): string => on(bounded, `__launch_bounds__(${32 * warps}) `);

/** Statements that bring the lane's row into `v`. */
function loadRow(how: string): string {
  if (how === "direct")
    return `#pragma unroll
  for (int q = 0; q < 8; ++q) {
    const float4 t = reinterpret_cast<const float4*>(src + lane * 32)[q];
    v[4 * q] = t.x;
    v[4 * q + 1] = t.y;
    v[4 * q + 2] = t.z;
    v[4 * q + 3] = t.w;
  }`;
  return `#pragma unroll
  for (int r = 0; r < 32; ++r) board[warp][r][lane] = src[r * 32 + lane];
  __syncwarp();
  #pragma unroll
  for (int j = 0; j < 32; ++j) v[j] = board[warp][lane][j];`;
}

/** Statements that put the lane's row at its place in the result. */
function storeRow(how: string): string {
  const direct = `#pragma unroll
  for (int q = 0; q < 8; ++q)
    reinterpret_cast<float4*>(dst + place * 32)[q] = make_float4(v[4 * q], v[4 * q + 1], v[4 * q + 2], v[4 * q + 3]);`;
  const board = `__syncwarp();
  #pragma unroll
  for (int j = 0; j < 32; ++j) board[warp][place][j] = v[j];
  __syncwarp();
  #pragma unroll
  for (int r = 0; r < 32; ++r) dst[r * 32 + lane] = board[warp][r][lane];`;
  return `${how === "direct" ? direct : board}
  perm[m * 32 + place] = lane;`;
}

const warpHead = (warps: number): string => `const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int m = blockIdx.x * ${warps} + warp;
  const float* src = a + (size_t)m * 1024;
  float* dst = lu + (size_t)m * 1024;`;

const boardOf = (needed: boolean, warps: number): string => on(needed, `__shared__ float board[${warps}][32][33];`);

export const rowRegisters = template({
  id: "row-registers",
  from: "tile-rows",
  count: 20,
  idea: "hold a row per lane in registers and broadcast the pivot row by shuffles",
  options: {
    search: searches,
    reciprocal: [false, true],
    load: ["direct", "board"],
    store: ["direct", "board"],
    update: ["zero", "branch"],
    open: ["place", "flag"],
    bounded: [false, true],
    restrict: [false, true],
    warps: [4, 2, 8, 1],
  },
  write(o, sizes) {
    const q = on(o.restrict, " __restrict__");
    const open = o.open === "flag" ? "open" : "place < 0";
    const scaled = o.reciprocal ? "v[k] * (1.0f / d)" : "v[k] / d";
    const update =
      o.update === "zero"
        ? `const float f = ${open} ? ${scaled} : 0.0f;
    if (${open}) v[k] = f;
    #pragma unroll
    for (int j = 1; j < 32; ++j) {
      if (j > k) v[j] -= f * __shfl_sync(0xffffffffu, v[j], p);
    }`
        : `if (${open}) v[k] = ${scaled};
    #pragma unroll
    for (int j = 1; j < 32; ++j) {
      if (j > k) {
        const float u = __shfl_sync(0xffffffffu, v[j], p);
        if (${open}) v[j] -= v[k] * u;
      }
    }`;
    const source = `extern "C" __global__ void ${bounds(o.bounded, o.warps)}lu_shuffle(const float*${q} a, float*${q} lu, int*${q} perm) {
  ${boardOf(o.load === "board" || o.store === "board", o.warps)}
  ${warpHead(o.warps)}
  float v[32];
  ${loadRow(o.load)}
  int place = -1;
  ${on(o.open === "flag", "bool open = true;")}
  #pragma unroll
  for (int k = 0; k < 32; ++k) {
    ${findPivot(o.search, `${open} ? fabsf(v[k]) : 0.0f`)}
    if (lane == p) {
      place = k;
      ${on(o.open === "flag", "open = false;")}
    }
    const float d = __shfl_sync(0xffffffffu, v[k], p);
    ${update}
  }
  ${storeRow(o.store)}
}
`;
    return styled(single(source, "lu_shuffle", batchOf(sizes) / o.warps, 32 * o.warps), { names: "snake", indent: 2 });
  },
});

/** Reads of the broadcast row that reach the columns after k, four or one at a time. */
function spreadRow(quads: boolean, line: string): string {
  if (!quads)
    return `#pragma unroll
    for (int j = 1; j < 32; ++j) {
      if (j > k) v[j] -= f * ${line}[j];
    }`;
  return `#pragma unroll
    for (int q = 0; q < 8; ++q) {
      if (4 * q + 3 > k) {
        const float4 u = *reinterpret_cast<const float4*>(&${line}[4 * q]);
        if (4 * q > k) v[4 * q] -= f * u.x;
        if (4 * q + 1 > k) v[4 * q + 1] -= f * u.y;
        if (4 * q + 2 > k) v[4 * q + 2] -= f * u.z;
        v[4 * q + 3] -= f * u.w;
      }
    }`;
}

export const rowBroadcast = template({
  id: "row-broadcast",
  from: "row-registers",
  count: 18,
  idea: "let the pivot's lane put its row into shared memory for all lanes to read",
  options: {
    search: ["pairs", "packed", "redux", "ballot"],
    quads: [false, true],
    twice: [false, true],
    reciprocal: [false, true],
    load: ["direct", "board"],
    store: ["direct", "board"],
    inverse_by: ["each", "owner"],
    bounded: [true, false],
    warps: [4, 2, 8],
  },
  valid: (o) => o.inverse_by === "each" || o.reciprocal,
  write(o, sizes) {
    const line = o.twice ? "lines[warp][k & 1]" : "lines[warp]";
    const put = o.quads
      ? `#pragma unroll
      for (int q = 0; q < 8; ++q) {
        if (4 * q + 3 >= k)
          *reinterpret_cast<float4*>(&${line}[4 * q]) = make_float4(v[4 * q], v[4 * q + 1], v[4 * q + 2], v[4 * q + 3]);
      }`
      : `#pragma unroll
      for (int j = 0; j < 32; ++j) {
        if (j >= k) ${line}[j] = v[j];
      }`;
    const owner = o.inverse_by === "owner";
    const multiplier = owner
      ? `const float inv = ${line}[32];
    const float f = open ? v[k] * inv : 0.0f;`
      : `const float d = ${line}[k];
    ${o.reciprocal ? "const float inv = 1.0f / d;\nconst float f = open ? v[k] * inv : 0.0f;" : "const float f = open ? v[k] / d : 0.0f;"}`;
    const source = `extern "C" __global__ void ${bounds(o.bounded, o.warps)}lu_lines(const float* __restrict__ a, float* __restrict__ lu, int* __restrict__ perm) {
  __shared__ __align__(16) float lines[${o.warps}]${on(o.twice, "[2]")}[36];
  ${boardOf(o.load === "board" || o.store === "board", o.warps)}
  ${warpHead(o.warps)}
  float v[32];
  ${loadRow(o.load)}
  int place = 0;
  bool open = true;
  #pragma unroll
  for (int k = 0; k < 32; ++k) {
    ${findPivot(o.search, "open ? fabsf(v[k]) : 0.0f")}
    if (lane == p) {
      open = false;
      place = k;
      ${put}
      ${on(owner, `${line}[32] = 1.0f / v[k];`)}
    }
    __syncwarp();
    ${multiplier}
    if (open) v[k] = f;
    ${spreadRow(o.quads, line)}
    ${on(!o.twice, "__syncwarp();")}
  }
  ${storeRow(o.store)}
}
`;
    return styled(single(source, "lu_lines", batchOf(sizes) / o.warps, 32 * o.warps), { names: "camel", indent: 2 });
  },
});

const columnSearches = {
  chain: `float top = fabsf(v[k]);
    int p = k;
    #pragma unroll
    for (int i = 1; i < 32; ++i) {
      if (i > k && fabsf(v[i]) > top) {
        top = fabsf(v[i]);
        p = i;
      }
    }
    p = __shfl_sync(0xffffffffu, p, k);`,
  owner: `int p = k;
    if (lane == k) {
      float top = fabsf(v[k]);
      #pragma unroll
      for (int i = 1; i < 32; ++i) {
        if (i > k && fabsf(v[i]) > top) {
          top = fabsf(v[i]);
          p = i;
        }
      }
    }
    p = __shfl_sync(0xffffffffu, p, k);`,
  keys: `unsigned key = 0;
    #pragma unroll
    for (int i = 0; i < 32; ++i) {
      if (i >= k) key = max(key, (__float_as_uint(fabsf(v[i])) & ~31u) | i);
    }
    const int p = __shfl_sync(0xffffffffu, key, k) & 31;`,
} as const;

const columnExchanges = {
  swap: `#pragma unroll
    for (int i = 1; i < 32; ++i) {
      if (i > k && i == p) {
        const float held = v[i];
        v[i] = v[k];
        v[k] = held;
      }
    }`,
  select: `float u = v[k];
    #pragma unroll
    for (int i = 1; i < 32; ++i) {
      if (i > k) u = i == p ? v[i] : u;
    }
    #pragma unroll
    for (int i = 1; i < 32; ++i) {
      if (i > k) v[i] = i == p ? v[k] : v[i];
    }
    v[k] = u;`,
} as const;

/** A column per lane in registers: rows are exchanged by selects, multipliers broadcast from lane k. */
export const columnRegisters = template({
  id: "column-registers",
  from: "row-registers",
  count: 20,
  idea: "hold a column per lane, so that the pivot search needs no other lane and global accesses are whole rows",
  options: {
    search: ["chain", "owner", "keys"],
    exchange: ["swap", "select"],
    through: ["shuffle", "line"],
    reciprocal: [false, true],
    skip_equal: [false, true],
    update: ["if", "zero"],
    bounded: [false, true],
    restrict: [false, true],
    warps: [4, 2, 8, 1],
  },
  write(o, sizes) {
    const q = on(o.restrict, " __restrict__");
    const line = o.through === "line";
    const exchange = columnExchanges[o.exchange];
    const scale = `#pragma unroll
      for (int i = 1; i < 32; ++i) {
        if (i > k) {
          v[i] ${o.reciprocal ? "*= inv" : "/= v[k]"};
          ${on(line, "lines[warp][k & 1][i] = v[i];")}
        }
      }`;
    const f = line ? "lines[warp][k & 1][i]" : "__shfl_sync(0xffffffffu, v[i], k)";
    const source = `extern "C" __global__ void ${bounds(o.bounded, o.warps)}lu_columns(const float*${q} a, float*${q} lu, int*${q} perm) {
  ${on(line, `__shared__ float lines[${o.warps}][2][32];`)}
  ${warpHead(o.warps)}
  float v[32];
  #pragma unroll
  for (int i = 0; i < 32; ++i) v[i] = src[i * 32 + lane];
  int row = lane;
  #pragma unroll
  for (int k = 0; k < 32; ++k) {
    ${columnSearches[o.search]}
    ${o.skip_equal ? `if (p != k) {\n${exchange}\n}` : exchange}
    row = __shfl_sync(0xffffffffu, row, lane == k ? p : lane == p ? k : lane);
    if (lane == k) {
      ${on(o.reciprocal, "const float inv = 1.0f / v[k];")}
      ${scale}
    }
    ${on(line, "__syncwarp();")}
    ${on(o.update === "zero", "const float u = lane > k ? v[k] : 0.0f;")}
    #pragma unroll
    for (int i = 1; i < 32; ++i) {
      if (i > k) {
        const float f = ${f};
        ${o.update === "zero" ? "v[i] -= f * u;" : "if (lane > k) v[i] -= f * v[k];"}
      }
    }
  }
  #pragma unroll
  for (int i = 0; i < 32; ++i) dst[i * 32 + lane] = v[i];
  perm[m * 32 + lane] = row;
}
`;
    return styled(single(source, "lu_columns", batchOf(sizes) / o.warps, 32 * o.warps), { names: "camel", indent: 4 });
  },
});
