import { launch, on, styled, template } from "../kit/code.ts";
import { addScaled, addToRow, csr, matrixArguments, readDense, startSums, storeRow } from "./walk.ts";

const clearKernel = (elements: number): string => `extern "C" __global__ void clear_result(float* y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < ${elements / 4}) reinterpret_cast<float4*>(y)[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      }
`;

const clearLaunch = (elements: number) => launch("clear_result", Math.ceil(elements / 1024), 256, ["y"]);

const searchRow = (rows: number): string => `// The row that holds entry k: the last whose first entry is not behind k.
      __device__ __forceinline__ int row_of(const int* __restrict__ row_ptr, int k) {
        int low = 0, high = ${rows};
        while (high - low > 1) {
          const int middle = (low + high) / 2;
          if (row_ptr[middle] <= k) low = middle;
          else high = middle;
        }
        return low;
      }
`;

/** Equal runs of entries per warp, whatever rows they belong to. */
export const entryRuns = template({
  id: "entry-runs",
  from: "entries-by-shuffle",
  idea: "Give each warp the same number of entries and add at the ends of rows",
  options: {
    width: ["pair", "two"],
    flush: ["atomic", "inner rows stored"],
    fetch: ["shuffle", "broadcast"],
    search: ["every lane", "first lane"],
    next: ["loop", "search again"],
    run: [128, 64, 256, 512],
    block: [256, 128],
  },
  count: 26,
  write: (o, { rows = 0, nnz = 0, d = 0 }) => {
    const inner = o.flush === "inner rows stored";
    const flush = inner
      ? `if (row_begin >= first && row_end <= last) {
          ${storeRow(o.width, "row")}
        } else {
          ${addToRow(o.width, "row")}
        }`
      : addToRow(o.width, "row");
    const next =
      o.next === "loop"
        ? `do {
            ++row;
          } while (row_ptr[row + 1] <= k);`
        : "row = row_of(row_ptr, k);";
    const step = `if (k >= row_end) {
        ${flush}
        sum = make_float2(0.0f, 0.0f);
        ${next}
        ${on(inner, "row_begin = row_ptr[row];")}
        row_end = row_ptr[row + 1];
      }
      const float2 dense = ${readDense(o.width, "c")};
      ${addScaled(o.width, "v", "dense")}`;
    const loop =
      o.fetch === "shuffle"
        ? `for (int base = first; base < last; base += 32) {
            const int own_c = cols[base + lane];
            const float own_v = vals[base + lane];
            for (int j = 0; j < 32; ++j) {
              const int k = base + j;
              const int c = __shfl_sync(0xffffffffu, own_c, j);
              const float v = __shfl_sync(0xffffffffu, own_v, j);
              ${step}
            }
          }`
        : `for (int k = first; k < last; ++k) {
            const int c = cols[k];
            const float v = vals[k];
            ${step}
          }`;
    const start =
      o.search === "every lane"
        ? "int row = row_of(row_ptr, first);"
        : "int row = 0;\nif (lane == 0) row = row_of(row_ptr, first);\nrow = __shfl_sync(0xffffffffu, row, 0);";
    const source = `${clearKernel(rows * d)}
      ${searchRow(rows)}
      extern "C" __global__ void spmm_runs(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        const int lane = threadIdx.x & 31;
        const int first = (blockIdx.x * ${o.block / 32} + threadIdx.x / 32) * ${o.run};
        const int last = first + ${o.run};
        ${start}
        ${on(inner, "int row_begin = row_ptr[row];")}
        int row_end = row_ptr[row + 1];
        ${startSums(o.width)}
        ${loop}
        ${flush}
      }
    `;
    return styled(
      {
        source,
        launches: [
          clearLaunch(rows * d),
          launch("spmm_runs", nnz / o.run / (o.block / 32), o.block, [...matrixArguments, "x", "y"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** The row of each entry written out first, then additions by entries. */
export const ownedEntries = template({
  id: "owned-entries",
  from: "entry-runs",
  idea: "Write the row of every entry to scratch first, then add entry by entry or in short runs",
  options: {
    expand: ["warp per row", "search", "thread per row"],
    lanes: ["pair", "quad"],
    join: ["runs", "each"],
    run: [16, 8, 32, 64],
    block: [256, 128],
    clear: ["kernel", "in expand"],
    owner: ["per step", "first and last"],
  },
  valid: (o) => (o.join === "runs" || o.owner === "per step") && (o.clear === "kernel" || o.expand !== "search"),
  count: 22,
  write: (o, { rows = 0, nnz = 0, d = 0 }) => {
    const quad = o.lanes === "quad";
    const inside = o.clear === "in expand";
    const expand = {
      "warp per row": `const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
        ${on(inside, "y[row * 64 + lane] = 0.0f;\ny[row * 64 + 32 + lane] = 0.0f;")}
        for (int k = row_ptr[row] + lane; k < row_ptr[row + 1]; k += 32) owner[k] = row;`,
      "thread per row": `const int row = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(inside, "for (int f = 0; f < 64; ++f) y[row * 64 + f] = 0.0f;")}
        for (int k = row_ptr[row]; k < row_ptr[row + 1]; ++k) owner[k] = row;`,
      search: `const int k = blockIdx.x * blockDim.x + threadIdx.x;
        owner[k] = row_of(row_ptr, k);`,
    }[o.expand];
    const parts = quad ? ["x", "y", "z", "w"] : ["x", "y"];
    const type = quad ? "float4" : "float2";
    const lanes = quad ? 16 : 32;
    const add = (row: string, from: string, scale = ""): string =>
      parts
        .map((k, j) => `atomicAdd(&y[${row} * 64 + ${parts.length} * place + ${j}], ${scale}${from}.${k});`)
        .join("\n");
    const zero = `make_${type}(${parts.map(() => "0.0f").join(", ")})`;
    const dense = `reinterpret_cast<const ${type}*>(x)[cols[k] * ${lanes} + place]`;
    const runs = `int row = owner[first];
      ${type} sum = ${zero};
      ${on(o.owner === "first and last", `const bool single = row == owner[first + ${o.run - 1}];`)}
      for (int k = first; k < first + ${o.run}; ++k) {
        ${on(o.owner === "first and last", "const int here = single ? row : owner[k];", "const int here = owner[k];")}
        if (here != row) {
          ${add("row", "sum")}
          sum = ${zero};
          row = here;
        }
        const float v = vals[k];
        const ${type} p = ${dense};
        ${parts.map((k) => `sum.${k} += v * p.${k};`).join("\n")}
      }
      ${add("row", "sum")}`;
    const each = `for (int k = first; k < first + ${o.run}; ++k) {
        const int row = owner[k];
        const float v = vals[k];
        const ${type} p = ${dense};
        ${add("row", "p", "v * ")}
      }`;
    const source = `${on(!inside, clearKernel(rows * d))}
      ${on(o.expand === "search", searchRow(rows))}
      extern "C" __global__ void expand_rows(const int* __restrict__ row_ptr, int* __restrict__ owner${on(inside, ", float* __restrict__ y")}) {
        ${expand}
      }

      extern "C" __global__ void add_entries(const int* __restrict__ owner, const int* __restrict__ cols, const float* __restrict__ vals, const float* __restrict__ x, float* __restrict__ y) {
        const int place = threadIdx.x % ${lanes};
        const int first = (blockIdx.x * ${o.block / lanes} + threadIdx.x / ${lanes}) * ${o.run};
        ${o.join === "runs" ? runs : each}
      }
    `;
    const expanding = { "warp per row": (rows * 32) / 256, "thread per row": rows / 256, search: nnz / 256 }[o.expand];
    return styled(
      {
        source,
        launches: [
          ...(inside ? [] : [clearLaunch(rows * d)]),
          launch("expand_rows", expanding, 256, ["row_ptr", "owner", ...(inside ? ["y"] : [])]),
          launch("add_entries", nnz / o.run / (o.block / lanes), o.block, ["owner", "cols", "vals", "x", "y"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
