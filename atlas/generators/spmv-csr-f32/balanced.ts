import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { matrix, parameters, product, zeroRows } from "./parts.ts";

const segmentScan = `
      #pragma unroll
      for (int d = 1; d < 32; d <<= 1) {
        float left = __shfl_up_sync(0xffffffffu, v, d);
        int owner = __shfl_up_sync(0xffffffffu, row, d);
        if (lane >= d && owner == row) v += left;
      }`;

/** How a lane of a warp finds the row of number j, and what the warp does before its first number. */
function finding(find: "advance" | "search" | "warp-search"): { locate: string; before: string } {
  const search = (from: string, to: string): string => `{
        int low = ${from}, high = ${to};
        while (low < high) {
          int middle = (low + high + 1) / 2;
          if (row_ptr[middle] <= j) {
            low = middle;
          } else {
            high = middle - 1;
          }
        }
        row = low;
      }`;
  const locate = {
    advance: `while (row_ptr[row + 1] <= j) ++row;`,
    search: search("row", "ROWS - 1"),
    "warp-search": search("firstRow", "lastRow"),
  }[find]
    .replaceAll("firstRow", "first_row")
    .replaceAll("lastRow", "last_row");
  const before = {
    advance: `{
        int j = start + lane;
        ${search("0", "ROWS - 1")}
      }`,
    search: "",
    "warp-search": `int first_row, last_row;
      {
        int j = lane == 0 ? start : start + SHARE - 1;
        ${search("0", "ROWS - 1")}
        first_row = __shfl_sync(0xffffffffu, row, 0);
        last_row = __shfl_sync(0xffffffffu, row, 31);
      }`,
  }[find];
  return { locate, before };
}

/** Equal shares of the numbers per warp; rows are found by search. */
export const warpShares: Template = template({
  id: "warp-shares",
  from: "lane-groups",
  idea: "Give every warp an equal share of the numbers and add up by row with a segmented scan.",
  options: {
    find: ["advance", "search", "warp-search"],
    merge: ["scan", "atomic", "uniform-or-scan"],
    carry: [false, true],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    skipZero: [false, true],
    share: [256, 128, 512, 1024],
    block: [128, 256, 64],
  },
  valid: ({ merge, carry }) => merge === "scan" || !carry,
  count: 26,
  write: ({ find, merge, carry, access, restrict, skipZero, share, block }, { rows = 0, nnz = 0 }) => {
    const { locate, before } = finding(find);
    const add = (target: string, v: string): string =>
      skipZero ? `if (${v} != 0.0f) atomicAdd(&y[${target}], ${v});` : `atomicAdd(&y[${target}], ${v});`;
    const last = `int next = __shfl_down_sync(0xffffffffu, row, 1);
      if (lane == 31 || next != row) {
        ${add("row", "v")}
      }`;
    const scanned = carry
      ? `// The last row's sum travels to the next step.
      if (lane == 0) {
        if (carried_row == row) {
          v += carried;
        } else if (carried_row >= 0) {
          atomicAdd(&y[carried_row], carried);
        }
      }
      ${segmentScan}
      int next = __shfl_down_sync(0xffffffffu, row, 1);
      if (lane < 31 && next != row) {
        ${add("row", "v")}
      }
      carried_row = __shfl_sync(0xffffffffu, row, 31);
      carried = __shfl_sync(0xffffffffu, v, 31);`
      : `${segmentScan}\n${last}`;
    const merges = {
      scan: scanned,
      atomic: add("row", "v"),
      "uniform-or-scan": `if (__all_sync(0xffffffffu, row == __shfl_sync(0xffffffffu, row, 0))) {
        for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(0xffffffffu, v, d);
        if (lane == 0) atomicAdd(&y[row], v);
      } else {
        ${segmentScan}
        ${last}
      }`,
    }[merge];
    const source = `
      #define ROWS ${rows}
      #define SHARE ${share}
      #define BLOCK ${block}

      ${zeroRows("zero_rows", "y")}
      extern "C" __global__ void spmv_shares(${parameters(restrict)}) {
        const int lane = threadIdx.x % 32;
        const int start = (blockIdx.x * (BLOCK / 32) + threadIdx.x / 32) * SHARE;
        int row = 0;
        ${before}
        ${on(carry, "int carried_row = -1;\nfloat carried = 0.0f;")}
        for (int j = start + lane; j < start + SHARE; j += 32) {
          ${locate}
          float v = ${product(access, "j")};
          ${merges}
        }
        ${on(carry, "if (lane == 0 && carried_row >= 0) atomicAdd(&y[carried_row], carried);")}
      }
    `;
    const warps = nnz / share;
    const launches = [
      launch("zero_rows", Math.ceil(rows / 256), 256, ["y"]),
      launch("spmv_shares", warps / (block / 32), block, matrix),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A thread's steps through the merge. */
function mergeWalk(atomicAll: boolean, branch: boolean, end: string, value: string): string {
  const finish = atomicAll
    ? "atomicAdd(y + row, sum);"
    : `if (begun) {
            y[row] = sum;
          } else {
            atomicAdd(y + row, sum);
          }
          begun = true;`;
  const walk = branch
    ? `for (int step = 0; step < ITEMS && row < ROWS; ++step) {
          if (at < ${end}) {
            sum += ${value};
            ++at;
          } else {
            ${finish}
            sum = 0.0f;
            ++row;
          }
        }`
    : `int left = ITEMS;
        while (left > 0 && row < ROWS) {
          int stop = min(${end}, at + left);
          left -= stop - at;
          for (; at < stop; ++at) sum += ${value};
          if (left > 0) {
            --left;
            ${finish}
            sum = 0.0f;
            ++row;
          }
        }`;
  return walk;
}

/** The merge of row ends with the numbers, in equal parts per thread. */
export const mergePath: Template = template({
  id: "merge-path",
  from: "warp-shares",
  idea: "Cut the merge of row ends and numbers into equal parts, so that empty rows count as work as well.",
  options: {
    numbers: ["global", "staged"],
    ends: ["global", "staged"],
    search: ["global", "within-block"],
    inner: ["branch", "rows-loop"],
    emit: ["atomic-first", "atomic-all"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    items: [8, 4, 16],
    block: [128, 256, 64],
  },
  count: 28,
  write: ({ numbers, ends, search, inner, emit, access, restrict, items, block }, { rows = 0, nnz = 0 }) => {
    const staged = numbers === "staged";
    const stagedEnds = ends === "staged";
    const limits = staged || stagedEnds || search === "within-block";
    const value = staged ? "products[at - block_at]" : product(access, "at");
    const end = (row: string): string => (stagedEnds ? `row_ends[${row} - block_row]` : `row_ptr[${row} + 1]`);
    const walk = mergeWalk(emit === "atomic-all", inner === "branch", end("row"), value);
    const source = `
      constexpr int ROWS = ${rows};
      constexpr int NUMBERS = ${nnz};
      constexpr int ITEMS = ${items};
      constexpr int BLOCK = ${block};

      ${zeroRows("zero_result", "result")}
      // How many row ends come before the diagonal.
      __device__ int rows_before(const int* row_ptr, int diagonal, int low, int high) {
        while (low < high) {
          int middle = (low + high) / 2;
          if (row_ptr[middle + 1] <= diagonal - middle - 1) low = middle + 1;
          else high = middle;
        }
        return low;
      }

      extern "C" __global__ void merged_spmv(${parameters(restrict)}) {
        ${on(staged, "__shared__ float products[BLOCK * ITEMS];")}
        ${on(stagedEnds, "__shared__ int row_ends[BLOCK * ITEMS + 1];")}
        ${on(
          limits,
          `__shared__ int corner[2];
        int block_diagonal = blockIdx.x * BLOCK * ITEMS;
        if (threadIdx.x < 2) {
          int d = min(block_diagonal + (int)threadIdx.x * BLOCK * ITEMS, ROWS + NUMBERS);
          corner[threadIdx.x] = rows_before(row_ptr, d, max(0, d - NUMBERS), min(d, ROWS));
        }
        __syncthreads();
        int block_row = corner[0], next_row = corner[1];
        int block_at = block_diagonal - block_row;`,
        )}
        ${on(
          staged,
          `int numbers = min(block_diagonal + BLOCK * ITEMS, ROWS + NUMBERS) - next_row - block_at;
        for (int k = threadIdx.x; k < numbers; k += BLOCK) products[k] = ${product(access, "(block_at + k)")};`,
        )}
        ${on(stagedEnds, `for (int k = threadIdx.x; k <= next_row - block_row && block_row + k < ROWS; k += BLOCK) row_ends[k] = row_ptr[block_row + k + 1];`)}
        ${on(staged || stagedEnds, "__syncthreads();")}
        int diagonal = min((int)(blockIdx.x * BLOCK + threadIdx.x) * ITEMS, ROWS + NUMBERS);
        int row = rows_before(row_ptr, diagonal, ${search === "within-block" ? "block_row, min(diagonal, next_row)" : "max(0, diagonal - NUMBERS), min(diagonal, ROWS)"});
        int at = diagonal - row;
        float sum = 0.0f;
        ${on(emit === "atomic-first", "bool begun = false;")}
        ${walk}
        if (sum != 0.0f) atomicAdd(y + row, sum);
      }
    `;
    const launches = [
      launch("zero_result", Math.ceil(rows / 256), 256, ["y"]),
      launch("merged_spmv", Math.ceil((rows + nnz) / (items * block)), block, matrix),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Row numbers written out, then one thread per number. */
export const rowNumbers: Template = template({
  id: "row-numbers",
  from: "warp-shares",
  idea: "Write out the row of every number first, then work number by number.",
  options: {
    expand: ["thread", "warp", "search"],
    add: ["scan", "atomic", "runs"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    per: ["one", "stride"],
    zero: ["own-launch", "in-expand"],
    block: [256, 128, 512],
  },
  valid: ({ expand, zero }) => expand !== "search" || zero === "own-launch",
  count: 18,
  write: ({ expand, add, access, restrict, per, zero, block }, { rows = 0, nnz = 0 }) => {
    const zeroed = on(zero === "in-expand", "y[row] = 0.0f;");
    const parameter = on(zero === "in-expand", ", float* y");
    const expands = {
      thread: `int row = blockIdx.x * 256 + threadIdx.x;
        if (row >= ROWS) return;
        ${zeroed}
        for (int j = row_ptr[row]; j < row_ptr[row + 1]; ++j) owner[j] = row;`,
      warp: `int row = blockIdx.x * 8 + threadIdx.x / 32;
        if (row >= ROWS) return;
        ${on(zero === "in-expand", "if (threadIdx.x % 32 == 0) y[row] = 0.0f;")}
        int end = row_ptr[row + 1];
        for (int j = row_ptr[row] + threadIdx.x % 32; j < end; j += 32) owner[j] = row;`,
      search: `int j = blockIdx.x * 256 + threadIdx.x;
        if (j >= NNZ) return;
        int low = 0, high = ROWS;
        while (high - low > 1) {
          int middle = (low + high) >> 1;
          if (row_ptr[middle] <= j) low = middle;
          else high = middle;
        }
        owner[j] = low;`,
    }[expand];
    const adds = {
      atomic: "atomicAdd(y + row, v);",
      scan: `int lane = threadIdx.x & 31;
        for (int d = 1; d < 32; d += d) {
          float other = __shfl_down_sync(0xffffffffu, v, d);
          int same = __shfl_down_sync(0xffffffffu, row, d);
          if (lane + d < 32 && same == row) v += other;
        }
        int before = __shfl_up_sync(0xffffffffu, row, 1);
        if (lane == 0 || before != row) atomicAdd(y + row, v);`,
      runs: `// Lanes of one row stand together; their first lane adds for all.
        unsigned int peers = __match_any_sync(0xffffffffu, row);
        int lane = threadIdx.x & 31;
        int end = 32 - __clz(peers);
        float total = 0.0f;
        for (int k = 0; k < 32; ++k) {
          float other = __shfl_sync(0xffffffffu, v, k);
          if (k >= lane && k < end) total += other;
        }
        if (lane == __ffs(peers) - 1) atomicAdd(y + row, total);`,
    }[add];
    const one = `int row = owner[j];
        float v = ${product(access, "j")};
        ${adds}`;
    const q = on(restrict, " __restrict__");
    const source = `
      #define ROWS ${rows}
      #define NNZ ${nnz}

      ${on(zero === "own-launch", zeroRows("zero_y", "y"))}
      extern "C" __global__ void expand_rows(const int*${q} row_ptr, int*${q} owner${parameter}) {
        ${expands}
      }

      extern "C" __global__ void add_numbers(const int*${q} owner, const int*${q} cols, const float*${q} vals, const float*${q} x, float*${q} y) {
        ${per === "one" ? `int j = blockIdx.x * ${block} + threadIdx.x;\n${one}` : `for (int j = blockIdx.x * ${block} + threadIdx.x; j < NNZ; j += gridDim.x * ${block}) {\n${one}\n}`}
      }
    `;
    const grids = { thread: Math.ceil(rows / 256), warp: Math.ceil(rows / 8), search: Math.ceil(nnz / 256) };
    const launches = [
      ...(zero === "own-launch" ? [launch("zero_y", Math.ceil(rows / 256), 256, ["y"])] : []),
      launch("expand_rows", grids[expand], 256, ["row_ptr", "work", ...(zero === "own-launch" ? [] : ["y"])]),
      launch("add_numbers", nnz / block / (per === "one" ? 1 : 8), block, ["work", "cols", "vals", "x", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
