import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { groupSum, matrix, parameters, product } from "./parts.ts";

/** One thread per row. */
export const threadRows: Template = template({
  id: "thread-rows",
  from: null,
  idea: "Keep one thread per row but change how it walks its numbers.",
  options: {
    loop: ["while", "twofold", "fourfold", "backwards", "pragma"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    rows: ["one", "stride", "spread"],
    bounds: ["pair", "vector-free"],
    fma: [false, true],
    launchBounds: [false, true],
    block: [128, 64, 256, 32],
  },
  count: 21,
  write: ({ loop, access, restrict, rows: order, bounds, fma, launchBounds, block }, { rows = 0 }) => {
    const add = (sum: string, j: string): string =>
      fma && access === "plain"
        ? `${sum} = fmaf(vals[${j}], x[cols[${j}]], ${sum});`
        : `${sum} += ${product(access, j)};`;
    const loops = {
      while: `while (j < end) {\n${add("sum", "j")}\n++j;\n}`,
      twofold: `float other = 0.0f;
        for (; j + 1 < end; j += 2) {
          ${add("sum", "j")}
          ${add("other", "(j + 1)")}
        }
        if (j < end) ${add("sum", "j")}
        sum += other;`,
      fourfold: `float s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
        for (; j + 3 < end; j += 4) {
          ${add("sum", "j")}
          ${add("s1", "(j + 1)")}
          ${add("s2", "(j + 2)")}
          ${add("s3", "(j + 3)")}
        }
        for (; j < end; ++j) ${add("sum", "j")}
        sum += s1 + (s2 + s3);`,
      backwards: `for (int k = end - 1; k >= j; --k) ${add("sum", "k")}`,
      pragma: `#pragma unroll 4
        for (int k = j; k < end; ++k) {
          ${add("sum", "k")}
        }`,
    }[loop];
    const one = `
        ${bounds === "pair" ? "int j = row_ptr[row];\nint end = row_ptr[row + 1];" : "const int* ends = row_ptr + row;\nint j = ends[0], end = ends[1];"}
        float sum = 0.0f;
        ${loops}
        y[row] = sum;`;
    const threads = Math.ceil(rows / block);
    const body = {
      one: `int row = blockIdx.x * BLOCK + threadIdx.x;\nif (row >= ROWS) return;\n${one}`,
      stride: `for (int row = blockIdx.x * BLOCK + threadIdx.x; row < ROWS; row += gridDim.x * BLOCK) {\n${one}\n}`,
      spread: `// Neighbouring threads take rows that lie far apart.
        int thread = blockIdx.x * BLOCK + threadIdx.x;
        int row = thread % 32 * (ROWS / 32) + thread / 32;\nif (row >= ROWS) return;\n${one}`,
    }[order];
    const source = `
      #define BLOCK ${block}
      #define ROWS ${rows}

      extern "C" __global__ void ${on(launchBounds, "__launch_bounds__(BLOCK) ")}csr_rows(${parameters(restrict)}) {
        ${body}
      }
    `;
    const grid = order === "stride" ? Math.ceil(threads / 4) : threads;
    return styled({ source, launches: [launch("csr_rows", grid, block, matrix)] }, { names: "snake", indent: 4 });
  },
});

/** A few lanes per row. */
export const groupRows: Template = template({
  id: "lane-groups",
  from: "thread-rows",
  idea: "Let a group of lanes share a row so that neighbouring numbers are read together.",
  options: {
    lanes: [32, 8, 16, 4, 2],
    reduce: ["xor", "down", "unrolled"],
    loop: ["simple", "twofold", "pragma", "ahead"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    rows: ["one", "stride", "several"],
    ends: ["each", "shared-by-shuffle"],
    empty: [false, true],
    block: [256, 128, 64, 512],
  },
  count: 34,
  write: ({ lanes, reduce, loop, access, restrict, rows: order, ends, empty, block }, { rows = 0 }) => {
    const walk = {
      simple: `for (int j = begin + lane; j < end; j += LANES) sum += ${product(access, "j")};`,
      twofold: `float more = 0.0f;
        int j = begin + lane;
        for (; j + LANES < end; j += 2 * LANES) {
          sum += ${product(access, "j")};
          more += ${product(access, "(j + LANES)")};
        }
        if (j < end) sum += ${product(access, "j")};
        sum += more;`,
      pragma: `#pragma unroll 2
        for (int j = begin + lane; j < end; j += LANES) {
          sum += ${product(access, "j")};
        }`,
      ahead: `int j = begin + lane;
        int column = j < end ? cols[j] : 0;
        float value = j < end ? vals[j] : 0.0f;
        while (j < end) {
          int at = column;
          float factor = value;
          j += LANES;
          if (j < end) {
            column = cols[j];
            value = vals[j];
          }
          sum += factor * x[at];
        }`,
    }[loop];
    const fetchEnds =
      ends === "each"
        ? "int begin = row_ptr[row];\nint end = row_ptr[row + 1];"
        : `int bound = lane < 2 ? row_ptr[row + lane] : 0;
        int begin = __shfl_sync(0xffffffffu, bound, 0, LANES);
        int end = __shfl_sync(0xffffffffu, bound, 1, LANES);`;
    const guarded = empty ? `if (begin < end) {\n${walk}\n}` : walk;
    const one = `
        ${fetchEnds}
        float sum = 0.0f;
        ${guarded}
        ${groupSum(reduce, "sum", lanes)}
        if (lane == 0) y[row] = sum;`;
    const groups = block / lanes;
    const body = {
      one: `int row = blockIdx.x * GROUPS + threadIdx.x / LANES;\n${one}`,
      stride: `for (int row = blockIdx.x * GROUPS + threadIdx.x / LANES; row < ROWS; row += gridDim.x * GROUPS) {\n${one}\n}`,
      several: `int first = (blockIdx.x * GROUPS + threadIdx.x / LANES) * 4;
        for (int row = first; row < first + 4; ++row) {\n${one}\n}`,
    }[order];
    const source = `
      constexpr int LANES = ${lanes};
      constexpr int GROUPS = ${groups};
      constexpr int ROWS = ${rows};

      extern "C" __global__ void spmvGroups(${parameters(restrict)}) {
        const int lane = threadIdx.x % LANES;
        ${body}
      }
    `;
    // A strided loop takes the same number of rounds in every group of a warp.
    const grid = rows / groups / (order === "one" ? 1 : 4);
    return styled({ source, launches: [launch("spmvGroups", grid, block, matrix)] }, { names: "camel", indent: 2 });
  },
});

/** A block for each row. */
export const blockRows: Template = template({
  id: "block-rows",
  from: "lane-groups",
  idea: "Give every row a block, so that the longest rows no longer hold up a warp.",
  options: {
    reduce: ["tree", "warps", "atomic"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    rows: ["one", "stride"],
    shortcut: [false, true],
    unroll: [false, true],
    block: [64, 32, 128],
  },
  valid: ({ reduce, block }) => block > 32 || reduce !== "atomic",
  count: 15,
  write: ({ reduce, access, restrict, rows: order, shortcut, unroll, block }, { rows = 0 }) => {
    const store = {
      tree: `partial[threadIdx.x] = sum;
        __syncthreads();
        for (int half = BLOCK / 2; half > 0; half /= 2) {
          if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
          __syncthreads();
        }
        if (threadIdx.x == 0) y[row] = partial[0];`,
      warps: `${repeat(5, (k) => `sum += __shfl_down_sync(0xffffffffu, sum, ${16 >> k});`)}
        if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
        __syncthreads();
        if (threadIdx.x == 0) {
          float all = 0.0f;
          for (int w = 0; w < BLOCK / 32; ++w) all += partial[w];
          y[row] = all;
        }
        __syncthreads();`,
      atomic: `if (threadIdx.x == 0) partial[0] = 0.0f;
        __syncthreads();
        if (sum != 0.0f) atomicAdd(partial, sum);
        __syncthreads();
        if (threadIdx.x == 0) y[row] = partial[0];
        __syncthreads();`,
    }[reduce];
    const sums = `float sum = 0.0f;
        ${on(unroll, "#pragma unroll 2\n")}for (int j = begin + threadIdx.x; j < end; j += BLOCK) sum += ${product(access, "j")};
        ${store}`;
    const one = `int begin = row_ptr[row], end = row_ptr[row + 1];
        ${
          shortcut
            ? `if (begin == end) {
          if (threadIdx.x == 0) y[row] = 0.0f;
        } else {
          ${sums}
        }`
            : sums
        }`;
    const source = `
      #define BLOCK ${block}
      #define ROWS ${rows}

      extern "C" __global__ void row_block(${parameters(restrict)}) {
        __shared__ float partial[BLOCK];
        ${order === "one" ? `const int row = blockIdx.x;\n${one}` : `for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {\n${one}\n}`}
      }
    `;
    const grid = order === "one" ? rows : Math.min(rows, 132 * 32);
    return styled({ source, launches: [launch("row_block", grid, block, matrix)] }, { names: "snake", indent: 2 });
  },
});

/** Groups of lanes that read aligned vectors of four. */
export const alignedRows: Template = template({
  id: "aligned-quads",
  from: "lane-groups",
  idea: "Read the matrix as aligned vectors of four; mask or peel what belongs to neighbouring rows.",
  options: {
    ends: ["mask-products", "mask-values", "peel"],
    lanes: [4, 8, 2, 16, 32],
    reduce: ["xor", "down", "unrolled"],
    load: ["plain", "ldg", "streaming"],
    gather: ["plain", "ldg"],
    sums: ["one", "four"],
    rows: ["one", "stride"],
    block: [256, 128, 512],
  },
  count: 26,
  write: ({ ends, lanes, reduce, load, gather, sums, rows: order, block }, { rows = 0 }) => {
    const read = (place: string): string =>
      ({ plain: place, ldg: `__ldg(&${place})`, streaming: `__ldcs(&${place})` })[load];
    const xs = (c: string): string => (gather === "ldg" ? `__ldg(x + ${c})` : `x[${c}]`);
    const parts = ["x", "y", "z", "w"] as const;
    const into = (k: number): string => (sums === "four" ? `sum${k}` : "sum");
    const vectors = `float4 v = ${read("quads[j]")};
          int4 c = ${read("places[j]")};`;
    const inside = (k: number): string => `4 * j + ${k} >= begin && 4 * j + ${k} < end`;
    const body = {
      "mask-products": `for (int j = begin / 4 + lane; 4 * j < end; j += LANES) {
          ${vectors}
          ${parts.map((p, k) => `if (${inside(k)}) ${into(k)} += v.${p} * ${xs(`c.${p}`)};`).join("\n")}
        }`,
      "mask-values": `for (int j = begin / 4 + lane; 4 * j < end; j += LANES) {
          ${vectors}
          ${parts.map((p, k) => `v.${p} = ${inside(k)} ? v.${p} : 0.0f;`).join("\n")}
          ${parts.map((p, k) => `${into(k)} += v.${p} * ${xs(`c.${p}`)};`).join("\n")}
        }`,
      peel: `int head = min(end, (begin + 3) / 4 * 4);
        int tail = max(head, end / 4 * 4);
        for (int j = begin + lane; j < head; j += LANES) sum += vals[j] * ${xs("cols[j]")};
        for (int j = head / 4 + lane; j < tail / 4; j += LANES) {
          ${vectors}
          ${parts.map((p, k) => `${into(k)} += v.${p} * ${xs(`c.${p}`)};`).join("\n")}
        }
        for (int j = tail + lane; j < end; j += LANES) sum += vals[j] * ${xs("cols[j]")};`,
    }[ends];
    const one = `
        const int begin = row_ptr[row];
        const int end = row_ptr[row + 1];
        float sum = 0.0f;
        ${on(sums === "four", "float sum0 = 0.0f, sum1 = 0.0f, sum2 = 0.0f, sum3 = 0.0f;")}
        ${body}
        ${on(sums === "four", "sum += (sum0 + sum1) + (sum2 + sum3);")}
        ${groupSum(reduce, "sum", lanes)}
        if (lane == 0) y[row] = sum;`;
    const groups = block / lanes;
    const source = `
      #define LANES ${lanes}
      #define GROUPS ${groups}
      #define ROWS ${rows}

      extern "C" __global__ void quad_rows(${parameters(true)}) {
        const float4* quads = reinterpret_cast<const float4*>(vals);
        const int4* places = reinterpret_cast<const int4*>(cols);
        int lane = threadIdx.x & (LANES - 1);
        ${order === "one" ? `int row = blockIdx.x * GROUPS + threadIdx.x / LANES;\n${one}` : `for (int row = blockIdx.x * GROUPS + threadIdx.x / LANES; row < ROWS; row += GROUPS * gridDim.x) {\n${one}\n}`}
      }
    `;
    const grid = rows / groups / (order === "one" ? 1 : 8);
    return styled({ source, launches: [launch("quad_rows", grid, block, matrix)] }, { names: "camel", indent: 4 });
  },
});
