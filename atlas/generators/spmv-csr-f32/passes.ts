import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { groupSum, matrix, parameters, product } from "./parts.ts";

/** A loop that fills a chunk of `amount` products. */
function chunkFill(fill: "simple" | "pragma" | "fourfold", put: (k: string) => string): string {
  return {
    simple: `for (int k = threadIdx.x; k < amount; k += BLOCK) {\n${put("k")}\n}`,
    pragma: `#pragma unroll 4
          for (int k = threadIdx.x; k < amount; k += BLOCK) {\n${put("k")}\n}`,
    fourfold: `int k = threadIdx.x;
          for (; k + 3 * BLOCK < amount; k += 4 * BLOCK) {
            ${["k", "(k + BLOCK)", "(k + 2 * BLOCK)", "(k + 3 * BLOCK)"].map(put).join("\n")}
          }
          for (; k < amount; k += BLOCK) {\n${put("k")}\n}`,
  }[fill];
}

/** A block's products pass through shared memory. */
export const streamed: Template = template({
  id: "streamed-products",
  from: "thread-rows",
  idea: "Let a block compute the products of its rows in order into shared memory and add them up by row from there.",
  options: {
    sum: ["thread", "group", "warp"],
    ends: ["registers", "shared"],
    fill: ["simple", "fourfold", "pragma"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    copy: ["products", "operands"],
    rows: [64, 128, 32],
    capacity: [2048, 1024, 4096],
    block: [128, 256],
  },
  valid: ({ sum, rows, block, fill }) =>
    (sum === "warp" || rows <= block) &&
    (sum !== "group" || block / rows >= 2) &&
    (fill !== "fourfold" || sum !== "group"),
  count: 26,
  write: ({ sum, ends, fill, access, restrict, copy, rows: span, capacity, block }, { rows = 0 }) => {
    const operands = copy === "operands";
    const put = (k: string): string =>
      operands
        ? `factors[${k}] = vals[from + ${k}];\nplaces[${k}] = cols[from + ${k}];`
        : `factors[${k}] = ${product(access, `(from + ${k})`)};`;
    const take = (k: string): string => (operands ? `factors[${k}] * x[places[${k}]]` : `factors[${k}]`);
    const fills = chunkFill(fill, put);
    const lanes = sum === "thread" ? 1 : sum === "group" ? block / span : 32;
    const low = ends === "shared" ? "offsets[local]" : "low";
    const high = ends === "shared" ? "offsets[local + 1]" : "high";
    const addRow = `for (int j = max(${low}, from) + member; j < min(${high}, from + amount); j += LANES) total += ${take("(j - from)")};`;
    const own = sum !== "warp";
    const chunk = own
      ? `${on(span < block && sum === "thread", "if (local < SPAN) ")}${addRow}`
      : `for (int r = 0; r < SPAN / WARPS; ++r) {
            int local = r * WARPS + threadIdx.x / 32;
            ${on(ends === "registers", "int low = row_ptr[first + local], high = row_ptr[first + local + 1];")}
            float total = 0.0f;
            ${addRow}
            ${groupSum("xor", "total", 32)}
            if (member == 0) sums[local] += total;
          }`;
    const guard = on(sum === "thread" && span < block, "if (local < SPAN) ");
    const finish = own
      ? `${on(lanes > 1, groupSum("xor", "total", lanes))}
        ${lanes > 1 ? "if (member == 0) " : guard}y[first + local] = total;`
      : "for (int r = threadIdx.x; r < SPAN; r += BLOCK) y[first + r] = sums[r];";
    const source = `
      #define SPAN ${span}
      #define CAPACITY ${capacity}
      #define BLOCK ${block}
      #define WARPS (BLOCK / 32)
      #define LANES ${lanes}

      extern "C" __global__ void stream_rows(${parameters(restrict)}) {
        __shared__ float factors[CAPACITY];
        ${on(operands, "__shared__ int places[CAPACITY];")}
        ${on(ends === "shared", "__shared__ int offsets[SPAN + 1];")}
        ${on(!own, "__shared__ float sums[SPAN];")}
        const int first = blockIdx.x * SPAN;
        const int member = threadIdx.x % LANES;
        ${on(ends === "shared", "for (int r = threadIdx.x; r <= SPAN; r += BLOCK) offsets[r] = row_ptr[first + r];")}
        ${
          own
            ? `const int local = threadIdx.x / LANES;
        float total = 0.0f;
        ${on(
          ends === "registers",
          `int low = 0, high = 0;
        ${guard}{
          low = row_ptr[first + local];
          high = row_ptr[first + local + 1];
        }`,
        )}`
            : "for (int r = threadIdx.x; r < SPAN; r += BLOCK) sums[r] = 0.0f;"
        }
        const int stop = row_ptr[first + SPAN];
        for (int from = row_ptr[first]; from < stop; from += CAPACITY) {
          const int amount = min(CAPACITY, stop - from);
          ${fills}
          __syncthreads();
          ${chunk}
          __syncthreads();
        }
        ${on(!own, "__syncthreads();")}
        ${finish}
      }
    `;
    return styled(
      { source, launches: [launch("stream_rows", rows / span, block, matrix)] },
      { names: "snake", indent: 2 },
    );
  },
});

const classify = {
  each: `if (row < ROWS) {
          int place = atomicAdd(&counts[kind], 1);
          lists[kind * ROWS + place] = row;
        }`,
  ballot: `// One addition per warp and kind.
        for (int k = 0; k < KINDS; ++k) {
          unsigned int with = __ballot_sync(0xffffffffu, kind == k);
          int leader = __ffs(with) - 1;
          int base = 0;
          if ((int)(threadIdx.x % 32) == leader) base = atomicAdd(&counts[k], __popc(with));
          base = __shfl_sync(0xffffffffu, base, leader < 0 ? 0 : leader);
          if (kind == k) lists[k * ROWS + base + __popc(with & ((1u << (threadIdx.x % 32)) - 1u))] = row;
        }`,
  block: `__shared__ int local[KINDS], bases[KINDS];
        if (threadIdx.x < KINDS) local[threadIdx.x] = 0;
        __syncthreads();
        int place = atomicAdd(&local[kind], 1);
        __syncthreads();
        if (threadIdx.x < KINDS) bases[threadIdx.x] = atomicAdd(&counts[threadIdx.x], local[threadIdx.x]);
        __syncthreads();
        lists[kind * ROWS + bases[kind] + place] = row;`,
};

/** Rows sorted into lists by length; a launch per list. */
export const binned: Template = template({
  id: "binned-rows",
  from: "lane-groups",
  idea: "Sort the rows into lists by length and give each list a launch with as many lanes per row as it needs.",
  options: {
    append: ["each", "ballot", "block"],
    long: ["warp", "block"],
    medium: ["group", "thread"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    empty: ["listed", "skipped"],
    stop: ["count", "count-by-lane"],
    lanes: [8, 4, 16],
    shortest: [8, 4, 16],
    longest: [128, 64, 256],
  },
  count: 28,
  write: ({ append, long, medium, access, restrict, empty, stop, lanes, shortest, longest }, { rows = 0 }) => {
    const group = medium === "group" ? lanes : 1;
    const count = (k: number): string =>
      stop === "count"
        ? `int total = lists[${k}];`
        : `int total = __shfl_sync(0xffffffffu, threadIdx.x % 32 == 0 ? lists[${k}] : 0, 0);`;
    const kernel = (name: string, k: number, width: number): string => `
      extern "C" __global__ void ${name}(const int* lists, ${parameters(restrict)}) {
        ${count(k)}
        const int* list = lists + 64 + ${k} * ROWS;
        int lane = threadIdx.x % ${width};
        int groups = gridDim.x * ${256 / width};
        // All lanes of a warp stay until its last row.
        for (int base = (blockIdx.x * 256 + threadIdx.x / 32 * 32) / ${width}; base < total; base += groups) {
          int k = base + threadIdx.x % 32 / ${width};
          int row = k < total ? list[k] : -1;
          float sum = 0.0f;
          if (row >= 0) {
            int end = row_ptr[row + 1];
            for (int j = row_ptr[row] + lane; j < end; j += ${width}) sum += ${product(access, "j")};
          }
          ${on(width > 1, groupSum("xor", "sum", width))}
          if (lane == 0 && row >= 0) y[row] = sum;
        }
      }`;
    const blockKernel = `
      extern "C" __global__ void long_rows(const int* lists, ${parameters(restrict)}) {
        __shared__ float parts[8];
        int total = lists[2];
        for (int k = blockIdx.x; k < total; k += gridDim.x) {
          int row = lists[64 + 2 * ROWS + k];
          float sum = 0.0f;
          for (int j = row_ptr[row] + threadIdx.x; j < row_ptr[row + 1]; j += 256) sum += ${product(access, "j")};
          ${groupSum("unrolled", "sum", 32)}
          if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
          __syncthreads();
          if (threadIdx.x < 32) {
            sum = threadIdx.x < 8 ? parts[threadIdx.x] : 0.0f;
            ${groupSum("down", "sum", 32)}
            if (threadIdx.x == 0) y[row] = sum;
          }
          __syncthreads();
        }
      }`;
    const source = `
      #define ROWS ${rows}
      #define KINDS 3

      extern "C" __global__ void reset_lists(int* counts) {
        if (threadIdx.x < KINDS) counts[threadIdx.x] = 0;
      }

      extern "C" __global__ void sort_rows(const int* row_ptr, int* counts, float* y) {
        int* lists = counts + 64;
        int row = blockIdx.x * 256 + threadIdx.x;
        int length = row_ptr[row + 1] - row_ptr[row];
        int kind = length <= ${shortest} ? 0 : length <= ${longest} ? 1 : 2;
        ${empty === "skipped" && append !== "block" ? "if (length == 0) {\ny[row] = 0.0f;\nkind = 3;\n}" : ""}
        ${empty === "skipped" && append === "each" ? classify.each.replace("row < ROWS", "kind < KINDS") : classify[append]}
      }
      ${kernel("short_rows", 0, 1)}
      ${kernel("medium_rows", 1, group)}
      ${long === "warp" ? kernel("long_rows", 2, 32) : blockKernel}
    `;
    const grid = (divisor: number): number => Math.max(1, Math.min(132 * 8, Math.ceil(rows / divisor)));
    const launches = [
      launch("reset_lists", 1, 32, ["work"]),
      launch("sort_rows", rows / 256, 256, ["row_ptr", "work", "y"]),
      launch("long_rows", grid(64), 256, ["work", ...matrix]),
      launch("medium_rows", grid(8), 256, ["work", ...matrix]),
      launch("short_rows", grid(64), 256, ["work", ...matrix]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Products to scratch, then sums of rows. */
export const productsFirst: Template = template({
  id: "products-first",
  from: "thread-rows",
  idea: "Write all products to scratch with perfectly even work and add them up by row in a second launch.",
  options: {
    first: ["quads", "single", "stride"],
    second: ["thread", "group", "quads"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    stay: [false, true],
    unroll: [false, true],
    lanes: [8, 4, 16, 32],
    block: [256, 128, 512],
  },
  valid: ({ second, lanes }) => second !== "thread" || lanes === 8,
  count: 18,
  write: ({ first, second, access, restrict, stay, unroll, lanes, block }, { rows = 0, nnz = 0 }) => {
    const q = on(restrict, " __restrict__");
    const quads = `int i = blockIdx.x * BLOCK + threadIdx.x;
        float4 v = reinterpret_cast<const float4*>(vals)[i];
        int4 c = reinterpret_cast<const int4*>(cols)[i];
        reinterpret_cast<float4*>(products)[i] = make_float4(v.x * x[c.x], v.y * x[c.y], v.z * x[c.z], v.w * x[c.w]);`;
    const put = (i: string): string =>
      stay ? `__stcg(products + ${i}, ${product(access, i)});` : `products[${i}] = ${product(access, i)};`;
    const firsts = {
      quads,
      single: `int i = blockIdx.x * BLOCK + threadIdx.x;\n${put("i")}`,
      stride: `${on(unroll, "#pragma unroll 4\n")}for (int i = blockIdx.x * BLOCK + threadIdx.x; i < NNZ; i += gridDim.x * BLOCK) ${put("i")}`,
    }[first];
    const group = second === "thread" ? 1 : lanes;
    const inner =
      second === "quads"
        ? `for (int k = begin / 4 + lane; 4 * k < end; k += LANES) {
          float4 p = reinterpret_cast<const float4*>(products)[k];
          ${["x", "y", "z", "w"].map((part, k) => `if (4 * k + ${k} >= begin && 4 * k + ${k} < end) sum += p.${part};`).join("\n")}
        }`
        : `${on(unroll, "#pragma unroll 4\n")}for (int k = begin + lane; k < end; k += LANES) sum += ${access === "plain" ? "products[k]" : "__ldg(products + k)"};`;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int NNZ = ${nnz};
      constexpr int LANES = ${group};

      extern "C" __global__ void multiply(const int*${q} cols, const float*${q} vals, const float*${q} x, float*${q} products) {
        ${firsts}
      }

      extern "C" __global__ void add_rows(const int*${q} row_ptr, const float*${q} products, float*${q} y) {
        int row = (blockIdx.x * 256 + threadIdx.x) / LANES;
        int lane = threadIdx.x % LANES;
        int begin = row_ptr[row], end = row_ptr[row + 1];
        float sum = 0.0f;
        ${inner}
        ${on(group > 1, groupSum("xor", "sum", group))}
        if (lane == 0) y[row] = sum;
      }
    `;
    const grid = { quads: nnz / 4 / block, single: nnz / block, stride: 132 * 8 }[first];
    const launches = [
      launch("multiply", grid, block, ["cols", "vals", "x", "work"]),
      launch("add_rows", (rows * group) / 256, 256, ["row_ptr", "work", "y"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
