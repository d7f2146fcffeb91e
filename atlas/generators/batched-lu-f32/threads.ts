import { launch, on, styled, template } from "../kit/code.ts";
import { batchOf, single } from "./parts.ts";

type At = (row: string, column: string) => string;

/** The elimination below row k, over entries that `at` names. */
function eliminate(order: string, reciprocal: boolean, carried: boolean, at: At, pragma: string): string {
  const scaled = (i: string): string => (reciprocal ? `${at(i, "k")} * inv` : `${at(i, "k")} / ${at("k", "k")}`);
  const head = reciprocal ? `const float inv = 1.0f / ${at("k", "k")};` : "";
  if (order === "rows")
    return `${head}
    ${on(carried, "best = -1.0f;")}
    for (int i = k + 1; i < 32; ++i) {
      const float f = ${scaled("i")};
      ${at("i", "k")} = f;
      ${pragma}
      for (int j = k + 1; j < 32; ++j) ${at("i", "j")} -= f * ${at("k", "j")};
      ${on(carried, `if (k < 31 && fabsf(${at("i", "(k + 1)")}) > best) {\nbest = fabsf(${at("i", "(k + 1)")});\npivot = i;\n}`)}
    }`;
  const multipliers = `${head}
    for (int i = k + 1; i < 32; ++i) ${at("i", "k")} = ${scaled("i")};`;
  if (order === "columns")
    return `${multipliers}
    for (int j = k + 1; j < 32; ++j) {
      const float u = ${at("k", "j")};
      ${pragma}
      for (int i = k + 1; i < 32; ++i) ${at("i", "j")} -= ${at("i", "k")} * u;
    }`;
  return `${multipliers}
    for (int i = k + 1; i < 32; ++i) {
      ${pragma}
      for (int j = k + 1; j < 32; ++j) ${at("i", "j")} -= ${at("i", "k")} * ${at("k", "j")};
    }`;
}

const search = (at: At): string => `float best = fabsf(${at("k", "k")});
    int pivot = k;
    for (int i = k + 1; i < 32; ++i) {
      const float size = fabsf(${at("i", "k")});
      if (size > best) {
        best = size;
        pivot = i;
      }
    }`;

const firstSearch = (at: At): string => `float best = -1.0f;
  int pivot = 0;
  for (int i = 0; i < 32; ++i) {
    if (fabsf(${at("i", "0")}) > best) {
      best = fabsf(${at("i", "0")});
      pivot = i;
    }
  }`;

function swapRows(guarded: boolean, at: At, order: string): string {
  return `${on(guarded, "if (pivot != k) {")}
    for (int j = 0; j < 32; ++j) {
      const float held = ${at("k", "j")};
      ${at("k", "j")} = ${at("pivot", "j")};
      ${at("pivot", "j")} = held;
    }
    const int row = ${order}[k];
    ${order}[k] = ${order}[pivot];
    ${order}[pivot] = row;
    ${on(guarded, "}")}`;
}

/** The whole factorisation by one thread, rows exchanged in place. */
function inPlace(
  o: { order: string; reciprocal: boolean; carried: boolean; guarded: boolean; unroll: string },
  at: At,
  order: string,
): string {
  const carried = o.carried && o.order === "rows";
  return `${carried ? firstSearch(at) : ""}
  for (int k = 0; k < 32; ++k) {
    ${carried ? "" : search(at)}
    ${swapRows(o.guarded, at, order)}
    ${eliminate(o.order, o.reciprocal, carried, at, o.unroll)}
  }`;
}

const unrolls = { none: "#pragma unroll 1", four: "#pragma unroll 4", default: "" } as const;

export const threadGlobal = template({
  id: "thread-global",
  from: null,
  count: 23,
  idea: "fix the size and keep the multiplier and the pivot's reciprocal in registers",
  options: {
    order: ["rows", "columns", "separate"],
    reciprocal: [false, true],
    carried: [false, true],
    guarded: [false, true],
    quads: [false, true],
    restrict: [false, true],
    unroll: ["default", "four", "none"],
    block: [64, 32, 128, 256],
  },
  valid: (o) => !o.carried || o.order === "rows",
  write(o, sizes) {
    const q = on(o.restrict, " __restrict__");
    const source = `extern "C" __global__ void lu_per_thread(const float*${q} a, float*${q} lu, int*${q} perm, int batch) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= batch) return;
  const float* src = a + (size_t)id * 1024;
  float* m = lu + (size_t)id * 1024;
  int* order = perm + id * 32;
  ${
    o.quads
      ? "for (int i = 0; i < 256; ++i) reinterpret_cast<float4*>(m)[i] = reinterpret_cast<const float4*>(src)[i];"
      : "for (int i = 0; i < 1024; ++i) m[i] = src[i];"
  }
  for (int i = 0; i < 32; ++i) order[i] = i;
  ${inPlace({ ...o, unroll: unrolls[o.unroll] }, (r, c) => `m[${r} * 32 + ${c}]`, "order")}
}
`;
    const draft = single(source, "lu_per_thread", Math.ceil(batchOf(sizes) / o.block), o.block, [
      { i32: batchOf(sizes) },
    ]);
    return styled(draft, { names: "snake", indent: 2 });
  },
});

export const threadLocal = template({
  id: "thread-local",
  from: "thread-global",
  count: 19,
  idea: "work on an array of the thread's own, which interleaves across the threads of a warp",
  options: {
    order: ["rows", "separate", "columns"],
    indirect: [false, true],
    reciprocal: [true, false],
    carried: [false, true],
    guarded: [false, true],
    quads: [false, true],
    unroll: ["none", "four", "default"],
    block: [32, 64, 128],
  },
  valid: (o) => (!o.carried || (o.order === "rows" && !o.indirect)) && (!o.indirect || !o.guarded),
  write(o, sizes) {
    const at: At = o.indirect ? (r, c) => `v[rows[${r}] * 32 + ${c}]` : (r, c) => `v[${r} * 32 + ${c}]`;
    const swapIndex = `const int held = rows[k];
    rows[k] = rows[pivot];
    rows[pivot] = held;`;
    const pragma = unrolls[o.unroll];
    const body = o.indirect
      ? `for (int k = 0; k < 32; ++k) {
    ${search(at)}
    ${swapIndex}
    ${eliminate(o.order, o.reciprocal, false, at, pragma)}
  }`
      : inPlace({ ...o, unroll: pragma }, at, "rows");
    const source = `extern "C" __global__ void factor_local(const float* __restrict__ a, float* __restrict__ lu, int* __restrict__ perm) {
  const int id = blockIdx.x * ${o.block} + threadIdx.x;
  float v[1024];
  int rows[32];
  ${
    o.quads
      ? `const float4* src = reinterpret_cast<const float4*>(a) + (size_t)id * 256;
  for (int i = 0; i < 256; ++i) {
    const float4 q = src[i];
    v[4 * i] = q.x;
    v[4 * i + 1] = q.y;
    v[4 * i + 2] = q.z;
    v[4 * i + 3] = q.w;
  }`
      : `for (int i = 0; i < 1024; ++i) v[i] = a[(size_t)id * 1024 + i];`
  }
  for (int i = 0; i < 32; ++i) rows[i] = i;
  ${body}
  for (int i = 0; i < 32; ++i) {
    perm[id * 32 + i] = rows[i];
    for (int j = 0; j < 32; ++j) lu[(size_t)id * 1024 + i * 32 + j] = ${at("i", "j")};
  }
}
`;
    return styled(single(source, "factor_local", batchOf(sizes) / o.block, o.block), { names: "camel", indent: 4 });
  },
});

const work: At = (r, c) => `work[(size_t)((${r}) * 32 + ${c}) * BATCH + id]`;

/** The factorisation of one interleaved matrix, with the pivot row in registers. */
function interleavedBody(cached: boolean, reciprocal: boolean, guarded: boolean): string {
  if (!cached)
    return inPlace({ order: "rows", reciprocal, carried: false, guarded, unroll: "#pragma unroll 8" }, work, "rows");
  const exchange = (inside: string): string => `const float held = ${work("k", "j")};
      u[j] = ${work("pivot", "j")};
      ${inside}`;
  const move = `${work("k", "j")} = u[j];
        ${work("pivot", "j")} = held;`;
  return `for (int k = 0; k < 32; ++k) {
    ${search(work)}
    float u[32];
    #pragma unroll
    for (int j = 0; j < 32; ++j) {
      ${exchange(guarded ? `if (pivot != k) {\n${move}\n}` : move)}
    }
    const int row = rows[k];
    rows[k] = rows[pivot];
    rows[pivot] = row;
    const float d = ${work("k", "k")};
    ${on(reciprocal, "const float inv = 1.0f / d;")}
    for (int i = k + 1; i < 32; ++i) {
      const float f = ${work("i", "k")} ${reciprocal ? "* inv" : "/ d"};
      ${work("i", "k")} = f;
      #pragma unroll
      for (int j = 1; j < 32; ++j) {
        if (j > k) ${work("i", "j")} -= f * u[j];
      }
    }
  }`;
}

function layoutKernels(tiled: boolean): string {
  if (!tiled)
    return `extern "C" __global__ void spread(const float* a, float* work) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  work[(size_t)(i % 1024) * BATCH + i / 1024] = a[i];
}

extern "C" __global__ void collect(const float* work, float* lu) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  lu[i] = work[(size_t)(i % 1024) * BATCH + i / 1024];
}
`;
  return `extern "C" __global__ void spread(const float* a, float* work) {
  __shared__ float t[32][33];
  const int x = threadIdx.x % 32, y = threadIdx.x / 32;
  const int e0 = blockIdx.x % 32 * 32, m0 = blockIdx.x / 32 * 32;
  for (int r = y; r < 32; r += 8) t[r][x] = a[(size_t)(m0 + r) * 1024 + e0 + x];
  __syncthreads();
  for (int r = y; r < 32; r += 8) work[(size_t)(e0 + r) * BATCH + m0 + x] = t[x][r];
}

extern "C" __global__ void collect(const float* work, float* lu) {
  __shared__ float t[32][33];
  const int x = threadIdx.x % 32, y = threadIdx.x / 32;
  const int e0 = blockIdx.x % 32 * 32, m0 = blockIdx.x / 32 * 32;
  for (int r = y; r < 32; r += 8) t[r][x] = work[(size_t)(e0 + r) * BATCH + m0 + x];
  __syncthreads();
  for (int r = y; r < 32; r += 8) lu[(size_t)(m0 + r) * 1024 + e0 + x] = t[x][r];
}
`;
}

export const interleaved = template({
  id: "interleaved",
  from: "thread-local",
  count: 18,
  idea: "transpose the batch into scratch so that neighbouring threads touch neighbouring words",
  options: {
    tiled: [false, true],
    cached: [false, true],
    reciprocal: [true, false],
    guarded: [false, true],
    restore_inside: [false, true],
    own_order: [true, false],
    block: [64, 32, 128],
  },
  write(o, sizes) {
    const batch = batchOf(sizes);
    const rows = o.own_order ? "int rows[32];" : "int* rows = perm + id * 32;";
    const kernels = layoutKernels(o.tiled);
    const source = `#define BATCH ${batch}

${o.restore_inside ? kernels.slice(0, kernels.indexOf('extern "C"', 10)) : kernels}
extern "C" __global__ void factor_spread(float* work, int* perm${on(o.restore_inside, ", float* lu")}) {
  const int id = blockIdx.x * blockDim.x + threadIdx.x;
  ${rows}
  for (int i = 0; i < 32; ++i) rows[i] = i;
  ${interleavedBody(o.cached, o.reciprocal, o.guarded)}
  ${on(o.own_order, "for (int i = 0; i < 32; ++i) perm[id * 32 + i] = rows[i];")}
  ${on(o.restore_inside, "for (int i = 0; i < 1024; ++i) lu[(size_t)id * 1024 + i] = work[(size_t)i * BATCH + id];")}
}
`;
    const copyGrid = o.tiled ? batch : batch * 4;
    const factor = launch(
      "factor_spread",
      batch / o.block,
      o.block,
      o.restore_inside ? ["work", "perm", "lu"] : ["work", "perm"],
    );
    const launches = [launch("spread", copyGrid, 256, ["a", "work"]), factor];
    if (!o.restore_inside) launches.push(launch("collect", copyGrid, 256, ["work", "lu"]));
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
