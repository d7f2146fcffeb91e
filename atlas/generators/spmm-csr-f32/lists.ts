import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { csr, joinHalves, matrixArguments, startSums, storeRow, walkEntries, widths, type Width } from "./walk.ts";

const appends = {
  atomic: `if (is_long) order[63 + ROWS - atomicAdd(order + 1, 1)] = row;
      else order[64 + atomicAdd(order, 1)] = row;`,
  vote: `const unsigned int votes = __ballot_sync(0xffffffffu, is_long);
      const int lane = threadIdx.x & 31;
      const unsigned int below = (1u << lane) - 1u;
      int long_base = 0, short_base = 0;
      if (lane == 0) {
        if (votes) long_base = atomicAdd(order + 1, __popc(votes));
        if (~votes) short_base = atomicAdd(order, __popc(~votes));
      }
      long_base = __shfl_sync(0xffffffffu, long_base, 0);
      short_base = __shfl_sync(0xffffffffu, short_base, 0);
      if (is_long) order[63 + ROWS - (long_base + __popc(votes & below))] = row;
      else order[64 + short_base + __popc(~votes & below)] = row;`,
} as const;

/** A block on one long row: warps take turns of 32 entries, sums meet in shared memory. */
function longRows(width: Width, warps: number, first: string, blocks: string): string {
  return `for (int i = ${first}; i < order[1]; i += ${blocks}) {
      const int row = order[63 + ROWS - i];
      const int end = row_ptr[row + 1];
      ${startSums(width)}
      for (int from = row_ptr[row] + 32 * warp; from < end; from += ${32 * warps}) {
        const int to = min(from + 32, end);
        ${walkEntries("shuffle", width, "from", "to")}
      }
      ${joinHalves(width)}
      ${storeRow(width, "warp").replaceAll("y[", "parts[").replaceAll("(y)", "(parts)")}
      __syncthreads();
      for (int f = threadIdx.x; f < 64; f += ${32 * warps}) {
        float total = 0.0f;
        for (int w = 0; w < ${warps}; ++w) total += parts[w * 64 + f];
        y[row * 64 + f] = total;
      }
      __syncthreads();
    }`;
}

/** Rows sorted into short and long ones, each kind in its own way. */
export const listedRows = template({
  id: "listed-rows",
  from: "block-row",
  idea: "List short and long rows first; a warp per short row, a block per long one",
  options: {
    width: widths,
    walk: ["shuffle", "plain", "four"],
    append: ["vote", "atomic"],
    launches: ["two", "one"],
    limit: [256, 128, 512],
    short: ["warp", "quads"],
    warps: [8, 4, 16],
  },
  count: 22,
  write: (o, { rows = 0 }) => {
    const { warps } = o;
    const one = o.launches === "one";
    const byWarp = o.short === "warp";
    const perBlock = byWarp ? warps : 2 * warps;
    const index = `(blockIdx.x${on(one, " - 264")}) * ${perBlock} + threadIdx.x / ${byWarp ? 32 : 16}`;
    const shortRow = byWarp
      ? `const int begin = row_ptr[row], end = row_ptr[row + 1];
        ${startSums(o.width)}
        ${walkEntries(o.walk, o.width, "begin", "end")}
        ${joinHalves(o.width)}
        ${storeRow(o.width, "row")}`
      : `const int place = threadIdx.x & 15;
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        for (int k = row_ptr[row]; k < row_ptr[row + 1]; ++k) {
          const float4 p = reinterpret_cast<const float4*>(x)[cols[k] * 16 + place];
          const float v = vals[k];
          ${["x", "y", "z", "w"].map((k) => `sum.${k} += v * p.${k};`).join("\n")}
        }
        reinterpret_cast<float4*>(y)[row * 16 + place] = sum;`;
    const short = `const int i = ${index};
      if (i >= order[0]) return;
      const int row = order[64 + i];
      ${shortRow}`;
    const signature = `(${csr}, const float* __restrict__ x, const int* __restrict__ order, float* __restrict__ y)`;
    const ids = `const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;`;
    const parts = `__shared__ __align__(16) float parts[${64 * warps}];`;
    const kernels = one
      ? `extern "C" __global__ void multiply_rows${signature} {
          ${parts}
          ${ids}
          if (blockIdx.x < 264) {
            ${longRows(o.width, warps, "blockIdx.x", "264")}
            return;
          }
          ${short}
        }`
      : `extern "C" __global__ void short_rows${signature} {
          ${on(byWarp, "const int lane = threadIdx.x % 32;")}
          ${short}
        }

        extern "C" __global__ void long_rows${signature} {
          ${parts}
          ${ids}
          ${longRows(o.width, warps, "blockIdx.x", "gridDim.x")}
        }`;
    const source = `#define ROWS ${rows}

      extern "C" __global__ void empty_lists(int* order) {
        if (threadIdx.x < 2) order[threadIdx.x] = 0;
      }

      extern "C" __global__ void list_rows(const int* __restrict__ row_ptr, int* __restrict__ order) {
        const int row = blockIdx.x * blockDim.x + threadIdx.x;
        const bool is_long = row_ptr[row + 1] - row_ptr[row] >= ${o.limit};
        ${appends[o.append]}
      }

      ${kernels}
    `;
    const args = [...matrixArguments, "x", "order", "y"];
    const shortBlocks = rows / perBlock;
    return styled(
      {
        source,
        launches: [
          launch("empty_lists", 1, 32, ["order"]),
          launch("list_rows", rows / 256, 256, ["row_ptr", "order"]),
          ...(one
            ? [launch("multiply_rows", 264 + shortBlocks, 32 * warps, args)]
            : [launch("short_rows", shortBlocks, 32 * warps, args), launch("long_rows", 264, 32 * warps, args)]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** Warps draw their next rows from a counter. */
export const drawnRows = template({
  id: "drawn-rows",
  from: "entries-by-shuffle",
  idea: "Let warps that stay resident draw their next rows from an atomic counter",
  options: {
    width: widths,
    walk: ["shuffle", "plain", "four"],
    scope: ["warp", "block"],
    ahead: [false, true],
    batch: [4, 1, 16],
    resident: [8, 4, 2],
    block: [256, 128],
  },
  valid: (o) => !(o.ahead && o.scope === "block"),
  count: 22,
  write: (o, { rows = 0 }) => {
    const warps = o.block / 32;
    const row = `const int begin = row_ptr[row], end = row_ptr[row + 1];
      ${startSums(o.width)}
      ${walkEntries(o.walk, o.width, "begin", "end")}
      ${joinHalves(o.width)}
      ${storeRow(o.width, "row")}`;
    const draw = (name: string): string => `if (lane == 0) ${name} = atomicAdd(order, ${o.batch});`;
    const loop =
      o.scope === "block"
        ? `__shared__ int drawn;
          for (;;) {
            if (threadIdx.x == 0) drawn = atomicAdd(order, ${o.batch * warps});
            __syncthreads();
            const int first = drawn;
            __syncthreads();
            if (first >= ROWS) break;
            for (int r = 0; r < ${o.batch}; ++r) {
              const int row = first + r * ${warps} + threadIdx.x / 32;
              if (row >= ROWS) break;
              ${row}
            }
          }`
        : o.ahead
          ? `int first = 0;
            ${draw("first")}
            first = __shfl_sync(0xffffffffu, first, 0);
            while (first < ROWS) {
              int following = 0;
              ${draw("following")}
              for (int row = first; row < min(first + ${o.batch}, ROWS); ++row) {
                ${row}
              }
              first = __shfl_sync(0xffffffffu, following, 0);
            }`
          : `for (;;) {
              int first = 0;
              ${draw("first")}
              first = __shfl_sync(0xffffffffu, first, 0);
              if (first >= ROWS) break;
              for (int row = first; row < min(first + ${o.batch}, ROWS); ++row) {
                ${row}
              }
            }`;
    const source = `constexpr int ROWS = ${rows};

      extern "C" __global__ void first_row(int* order) {
        order[0] = 0;
      }

      extern "C" __global__ void multiply_drawn(${csr}, const float* __restrict__ x, int* order, float* __restrict__ y) {
        const int lane = threadIdx.x & 31;
        ${loop}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("first_row", 1, 1, ["order"]),
          launch("multiply_drawn", 132 * o.resident, o.block, [...matrixArguments, "x", "order", "y"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});

const folds = {
  fold: (slice: number, lanes: number): string => {
    const halves = [16, 8, 4, 2, 1].filter((half) => half < slice);
    const wider = [16, 8, 4, 2, 1].filter((half) => half >= slice && half < lanes);
    return `${halves
      .map(
        (half) => `#pragma unroll
          for (int j = 0; j < ${half}; ++j) {
            const bool upper = member & ${half};
            const float give = upper ? sum[j] : sum[j + ${half}];
            const float keep = upper ? sum[j + ${half}] : sum[j];
            sum[j] = keep + __shfl_xor_sync(members, give, ${half});
          }`,
      )
      .join("\n")}
      ${wider.map((half) => `sum[0] += __shfl_xor_sync(members, sum[0], ${half});`).join("\n")}
      if (member < SLICE) y[row * 64 + first + member] = sum[0];`;
  },
  leader: (slice: number, lanes: number): string => `#pragma unroll
      for (int j = 0; j < SLICE; ++j) {
        #pragma unroll
        for (int half = ${lanes / 2}; half > 0; half /= 2) sum[j] += __shfl_xor_sync(members, sum[j], half);
      }
      if (member == 0) {
        ${repeat(slice / 4, (q) => `reinterpret_cast<float4*>(y + row * 64 + first)[${q}] = make_float4(sum[${4 * q}], sum[${4 * q + 1}], sum[${4 * q + 2}], sum[${4 * q + 3}]);`)}
      }`,
} as const;

/** A slice of x's columns for all its rows in shared memory; lanes share out a row's entries. */
export const densePanel = template({
  id: "dense-panel",
  from: "lane-groups",
  idea: "Keep a few features of all rows of x in shared memory and walk the matrix once per slice",
  options: {
    layout: ["rows", "planes"],
    lanes: [8, 16, 32],
    join: ["leader", "fold"],
    deal: ["turns", "parts"],
    unroll: [false, true],
    slice: [4, 8],
    threads: [1024, 512],
    blocks: [1, 2, 4],
  },
  count: 20,
  write: (o, { rows = 0, columns = 0 }) => {
    const { lanes, slice } = o;
    const byRows = o.layout === "rows";
    const groups = o.threads / lanes;
    const across = (slice === 8 ? 16 : 24) * o.blocks;
    const fill = byRows
      ? `for (int i = threadIdx.x; i < COLUMNS * SLICE / 4; i += ${o.threads}) {
          const int c = i / (SLICE / 4), q = i % (SLICE / 4);
          reinterpret_cast<float4*>(panel)[i] = reinterpret_cast<const float4*>(x)[c * 16 + first / 4 + q];
        }`
      : `for (int i = threadIdx.x; i < COLUMNS * SLICE; i += ${o.threads}) panel[i % SLICE * COLUMNS + i / SLICE] = x[i / SLICE * 64 + first + i % SLICE];`;
    const use = byRows
      ? repeat(
          slice / 4,
          (q) => `{
          const float4 p = reinterpret_cast<const float4*>(panel)[c * (SLICE / 4) + ${q}];
          ${["x", "y", "z", "w"].map((k, j) => `sum[${4 * q + j}] += v * p.${k};`).join("\n")}
        }`,
        )
      : `#pragma unroll
        for (int j = 0; j < SLICE; ++j) sum[j] += v * panel[j * COLUMNS + c];`;
    const per = `(${rows} + gridDim.x - 1) / gridDim.x`;
    const loop =
      o.deal === "turns"
        ? `for (int row = blockIdx.x * ${groups} + threadIdx.x / ${lanes}; row < ${rows}; row += gridDim.x * ${groups})`
        : `const int per_block = ${per};
          const int last = min((int)(blockIdx.x + 1) * per_block, ${rows});
          for (int row = blockIdx.x * per_block + threadIdx.x / ${lanes}; row < last; row += ${groups})`;
    const members = lanes === 32 ? "0xffffffffu" : `${2 ** lanes - 1}u << (threadIdx.x % 32 / ${lanes} * ${lanes})`;
    const source = `#define SLICE ${slice}
      #define COLUMNS ${columns}

      extern "C" __global__ void __launch_bounds__(${o.threads}) panel_rows(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        extern __shared__ __align__(16) float panel[];
        const int first = blockIdx.y * SLICE;
        ${fill}
        __syncthreads();
        const int member = threadIdx.x % ${lanes};
        const unsigned int members = ${members};
        ${loop} {
          float sum[SLICE];
          #pragma unroll
          for (int j = 0; j < SLICE; ++j) sum[j] = 0.0f;
          const int end = row_ptr[row + 1];
          ${on(o.unroll, "#pragma unroll 2")}
          for (int k = row_ptr[row] + member; k < end; k += ${lanes}) {
            const int c = cols[k];
            const float v = vals[k];
            ${use}
          }
          ${folds[o.join](slice, lanes)}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("panel_rows", [across, 64 / slice], o.threads, [...matrixArguments, "x", "y"], 4 * slice * columns),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
