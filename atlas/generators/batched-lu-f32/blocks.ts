import { launch, on, styled, template } from "../kit/code.ts";
import { batchOf, findPivot, searches, single } from "./parts.ts";

const updates = {
  entries: `const int r = i / 32 % 32, c = i % 32;
  float* s = lu + (size_t)(i / 1024) * 1024;
  if (r > k && c > k) s[r * 32 + c] -= s[r * 32 + k] * s[k * 32 + c];`,
  quads: `const int r = i / 8 % 32, c = i % 8 * 4;
  float* s = lu + (size_t)(i / 256) * 1024;
  if (r > k && c + 3 > k) {
    const float f = s[r * 32 + k];
    const float4 u = *reinterpret_cast<const float4*>(s + k * 32 + c);
    if (c > k) {
      float4 v = *reinterpret_cast<float4*>(s + r * 32 + c);
      v.x -= f * u.x;
      v.y -= f * u.y;
      v.z -= f * u.z;
      v.w -= f * u.w;
      *reinterpret_cast<float4*>(s + r * 32 + c) = v;
    } else {
      if (c + 1 > k) s[r * 32 + c + 1] -= f * u.y;
      if (c + 2 > k) s[r * 32 + c + 2] -= f * u.z;
      s[r * 32 + c + 3] -= f * u.w;
    }
  }`,
  columns: `const int c = i % 32;
  float* s = lu + (size_t)(i / 32) * 1024;
  if (c > k) {
    const float u = s[k * 32 + c];
    for (int r = k + 1; r < 32; ++r) s[r * 32 + c] -= s[r * 32 + k] * u;
  }`,
} as const;

const unitsPerMatrix = { entries: 1024, quads: 256, columns: 32 } as const;

/** One launch or two per elimination step, over the whole batch. */
export const stepLaunches = template({
  id: "step-launches",
  from: "thread-global",
  count: 18,
  idea: "let each launch do one elimination step for all matrices",
  options: {
    merged: [false, true],
    update: ["entries", "columns", "quads"],
    search: searches,
    quad_copy: [false, true],
    divide: ["each", "inverse"],
    perm_by: ["leader", "pair"],
    block: [256, 128, 512],
  },
  valid: (o) => !o.merged || o.update === "columns",
  write(o, sizes) {
    const batch = batchOf(sizes);
    const exchange =
      o.perm_by === "leader"
        ? `if (lane == 0) {
    const int row = perm[m * 32 + k];
    perm[m * 32 + k] = perm[m * 32 + p];
    perm[m * 32 + p] = row;
  }`
        : `const int row = perm[m * 32 + lane];
  __syncwarp();
  if (lane == k) perm[m * 32 + p] = row;
  if (lane == p) perm[m * 32 + k] = row;`;
    const merged = `__syncwarp();
  if (lane > k) {
    for (int r = k + 1; r < 32; ++r) s[r * 32 + lane] -= s[r * 32 + k] * incoming;
  }`;
    const source = `extern "C" __global__ void begin(const float* a, float* lu, int* perm) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${o.quad_copy ? "reinterpret_cast<float4*>(lu)[i] = reinterpret_cast<const float4*>(a)[i];" : "lu[i] = a[i];"}
  if (i < ${batch} * 32) perm[i] = i % 32;
}

extern "C" __global__ void pivot_step(float* lu, int* perm, int k) {
  const int lane = threadIdx.x % 32;
  const int m = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  float* s = lu + (size_t)m * 1024;
  const float below = lane >= k ? fabsf(s[lane * 32 + k]) : 0.0f;
  ${findPivot(o.search, "below")}
  const float outgoing = s[k * 32 + lane];
  const float incoming = s[p * 32 + lane];
  __syncwarp();
  s[p * 32 + lane] = outgoing;
  s[k * 32 + lane] = incoming;
  ${exchange}
  const float d = __shfl_sync(0xffffffffu, incoming, k);
  __syncwarp();
  ${o.divide === "each" ? "if (lane > k) s[lane * 32 + k] /= d;" : "const float inv = 1.0f / d;\nif (lane > k) s[lane * 32 + k] *= inv;"}
  ${on(o.merged, merged)}
}
${on(
  !o.merged,
  `
extern "C" __global__ void update_step(float* lu, int k) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${updates[o.update]}
}
`,
)}`;
    const pivotGrid = (batch * 32) / o.block;
    const updateGrid = (batch * unitsPerMatrix[o.update]) / o.block;
    const steps = Array.from({ length: 32 }, (_, k) => [
      launch("pivot_step", pivotGrid, o.block, ["lu", "perm", { i32: k }]),
      ...(o.merged || k === 31 ? [] : [launch("update_step", updateGrid, o.block, ["lu", { i32: k }])]),
    ]).flat();
    const copyUnits = batch * (o.quad_copy ? 256 : 1024);
    const launches = [launch("begin", copyUnits / 256, 256, ["a", "lu", "perm"]), ...steps];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const leaderSearch = `if (x == 0 && y == 0) {
      int best = k;
      for (int i = k + 1; i < 32; ++i) {
        if (fabsf(s[i][k]) > fabsf(s[best][k])) best = i;
      }
      chosen = best;
    }
    __syncthreads();
    const int p = chosen;`;

function blockSearch(who: string, search: (typeof searches)[number]): string {
  if (who === "thread") return leaderSearch;
  const found = findPivot(search, "x >= k ? fabsf(s[x][k]) : 0.0f");
  if (who === "each") return `const int lane = x;\n${found}\n__syncthreads();`;
  return `if (y == 0) {
      const int lane = x;
      ${found}
      if (lane == 0) chosen = p;
    }
    __syncthreads();
    const int p = chosen;`;
}

/** Thirty-two threads times `depth` share a matrix in shared memory. */
export const blockShared = template({
  id: "block-shared",
  from: "step-launches",
  count: 22,
  idea: "keep the matrix in shared memory and give it a whole block",
  options: {
    who: ["thread", "first", "each"],
    search: searches,
    fused: [false, true],
    reciprocal: [false, true],
    pitch: [32, 33],
    guard_swap: [false, true],
    quads: [false, true],
    rows_first: [false, true],
    depth: [8, 4, 16, 32, 2],
  },
  valid: (o) => o.who !== "thread" || o.search === "pairs",
  write(o, sizes) {
    const scale = o.reciprocal ? "* inv" : "/ d";
    const update = o.fused
      ? `for (int r = k + 1 + y; r < 32; r += DEPTH) {
      const float f = s[r][k] ${scale};
      __syncwarp();
      if (x == k) s[r][k] = f;
      if (x > k) s[r][x] -= f * s[k][x];
    }`
      : `if (y == 0 && x > k) s[x][k] = s[x][k] ${scale};
    __syncthreads();
    for (int r = k + 1 + y; r < 32; r += DEPTH) {
      if (x > k) s[r][x] -= s[r][k] * s[k][x];
    }`;
    const load = o.quads
      ? `for (int i = y * 32 + x; i < 256; i += 32 * DEPTH) {
    const float4 q = reinterpret_cast<const float4*>(a + base)[i];
    const int r = i / 8, c = i % 8 * 4;
    s[r][c] = q.x;
    s[r][c + 1] = q.y;
    s[r][c + 2] = q.z;
    s[r][c + 3] = q.w;
  }`
      : `for (int r = y; r < 32; r += DEPTH) s[r][x] = a[base + r * 32 + x];`;
    const swap = `const float held = s[k][x];
      s[k][x] = s[p][x];
      s[p][x] = held;
      if (x == 0) {
        const int row = rows[k];
        rows[k] = rows[p];
        rows[p] = row;
      }`;
    const thread = o.rows_first
      ? "const int x = threadIdx.x, y = threadIdx.y;"
      : "const int x = threadIdx.x % 32;\n  const int y = threadIdx.x / 32;";
    const source = `#define DEPTH ${o.depth}

extern "C" __global__ void lu_block(const float* __restrict__ a, float* __restrict__ lu, int* __restrict__ perm) {
  __shared__ float s[32][${o.pitch}];
  __shared__ int rows[32];
  ${on(o.who !== "each", "__shared__ int chosen;")}
  ${thread}
  const size_t base = (size_t)blockIdx.x * 1024;
  ${load}
  if (y == 0) rows[x] = x;
  __syncthreads();
  for (int k = 0; k < 32; ++k) {
    ${blockSearch(o.who, o.search)}
    if (y == 0${on(o.guard_swap, " && p != k")}) {
      ${swap}
    }
    __syncthreads();
    const float d = s[k][k];
    ${on(o.reciprocal, "const float inv = 1.0f / d;")}
    ${update}
    __syncthreads();
  }
  for (int r = y; r < 32; r += DEPTH) lu[base + r * 32 + x] = s[r][x];
  if (y == 0) perm[blockIdx.x * 32 + x] = rows[x];
}
`;
    const block = o.rows_first ? ([32, o.depth] as const) : 32 * o.depth;
    return styled(single(source, "lu_block", batchOf(sizes), block), { names: "snake", indent: 4 });
  },
});

/** Each thread keeps its entries of one column; a column and a row pass through shared memory at every step. */
export const blockRegisters = template({
  id: "block-registers",
  from: "block-shared",
  count: 22,
  idea: "keep entries in registers, publish only the pivot's column and row, and never move rows",
  options: {
    search: ["redux", "pairs", "ballot", "packed"],
    reciprocal: [true, false],
    factor: ["zero", "skip"],
    twice: [true, false],
    published: ["row", "scaled column"],
    bounded: [false, true],
    restrict: [true, false],
    depth: [8, 4, 16, 2, 32],
  },
  valid: (o) => o.published === "row" || o.factor === "zero",
  write(o, sizes) {
    const each = 32 / o.depth;
    const column = o.twice ? "column[k & 1]" : "column";
    const scaled = o.reciprocal ? "* inv" : "/ d";
    const q = on(o.restrict, " __restrict__");
    const multiplier = o.published === "row" ? `${column}[r] ${scaled}` : "scaled[r]";
    const scale =
      o.published === "row"
        ? ""
        : `if (y == 0) scaled[x] = (used >> x & 1u) ? 0.0f : ${column}[x] ${scaled};
    `;
    const update =
      o.factor === "zero"
        ? `const float f = (used >> r & 1u) ? 0.0f : ${multiplier};
      if (x > k) v[i] -= f * row[x];
      if (x == k && !(used >> r & 1u)) v[i] = f;`
        : `if (!(used >> r & 1u)) {
        const float f = ${multiplier};
        v[i] = x > k ? v[i] - f * row[x] : x == k ? f : v[i];
      }`;
    const source = `constexpr int DEPTH = ${o.depth}, EACH = ${each};

extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${32 * o.depth}) `)}lu_entries(const float*${q} a, float*${q} lu, int*${q} perm) {
  __shared__ float column${on(o.twice, "[2]")}[32];
  __shared__ float row[32];
  ${on(o.published !== "row", "__shared__ float scaled[32];")}
  const int x = threadIdx.x, y = threadIdx.y, lane = x;
  const size_t base = (size_t)blockIdx.x * 1024;
  float v[EACH];
  int place[EACH];
  #pragma unroll
  for (int i = 0; i < EACH; ++i) v[i] = a[base + (y + i * DEPTH) * 32 + x];
  unsigned used = 0;
  for (int k = 0; k < 32; ++k) {
    if (x == k) {
      #pragma unroll
      for (int i = 0; i < EACH; ++i) ${column}[y + i * DEPTH] = v[i];
    }
    __syncthreads();
    const float entry = (used >> lane & 1u) ? 0.0f : fabsf(${column}[lane]);
    ${findPivot(o.search, "entry")}
    used |= 1u << p;
    const float d = ${column}[p];
    ${on(o.reciprocal, "const float inv = 1.0f / d;")}
    ${scale}#pragma unroll
    for (int i = 0; i < EACH; ++i) {
      if (y + i * DEPTH == p) {
        row[x] = v[i];
        place[i] = k;
      }
    }
    __syncthreads();
    #pragma unroll
    for (int i = 0; i < EACH; ++i) {
      const int r = y + i * DEPTH;
      ${update}
    }
    ${on(!o.twice, "__syncthreads();")}
  }
  #pragma unroll
  for (int i = 0; i < EACH; ++i) {
    lu[base + place[i] * 32 + x] = v[i];
    if (x == 0) perm[blockIdx.x * 32 + place[i]] = y + i * DEPTH;
  }
}
`;
    return styled(single(source, "lu_entries", batchOf(sizes), [32, o.depth]), { names: "camel", indent: 2 });
  },
});
