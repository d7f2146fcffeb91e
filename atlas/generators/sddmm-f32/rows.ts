import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addProduct, boardOf, csr, foldParts, parameters, spreadOver, sumOverGroup } from "./parts.ts";

/** A warp a row; a group of its lanes an entry. */
export const rowWarps = template({
  id: "row-warps",
  from: "stretches",
  count: 26,
  idea: "give a warp a whole row, whose row of a then stays in registers",
  options: {
    lanes: [16, 8, 32],
    together: [1, 2, 4],
    sum: ["xor", "loop", "down"],
    chained: [true, false],
    tail: ["clamp", "branch"],
    order: ["grid", "stride", "spread"],
    restrict: [true, false],
    bounded: [false, true],
    block: [256, 128, 64, 512],
  },
  write(o, { m = 0 }) {
    const { type, count, pitch } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const warps = o.block / 32;
    const load = repeat(count, (i) => `const ${type} x${i} = left[row * ${pitch} + l + ${i * o.lanes}];`);
    const one = (u: number): string => `{
      const int e = j + g + ${u * per};
      const bool valid = e < end;
      float sum = 0.0f;
      ${o.tail === "clamp" ? "const int col = cols[valid ? e : end - 1];\n{" : "if (valid) {\nconst int col = cols[e];"}
      ${repeat(
        count,
        (i) => `const ${type} y${i} = right[col * ${pitch} + l + ${i * o.lanes}];
        ${addProduct(type, "sum", `x${i}`, `y${i}`, o.chained)}`,
      )}
      }
      ${sumOverGroup(o.sum, o.lanes)}
      if (valid && l == 0) out[e] = sum * scale[e];
    }`;
    const body = `${load}
    const int end = row_ptr[row + 1];
    for (int j = row_ptr[row]; j < end; j += ${per * o.together}) {
      ${repeat(o.together, one)}
    }`;
    const serial = `blockIdx.x * ${warps} + threadIdx.x / 32`;
    const walk = {
      grid: `const int row = ${serial};\n${body}`,
      stride: `for (int row = ${serial}; row < ${m}; row += gridDim.x * ${warps}) {\n${body}\n}`,
      // Neighbouring warps take rows that lie far apart.
      spread: `const int serial = ${serial};\nconst int row = serial % 64 * ${m / 64} + serial / 64;\n${body}`,
    }[o.order];
    const source = `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}row_products(${parameters(csr, o.restrict)}) {
  const int lane = threadIdx.x & 31, l = lane % ${o.lanes}, g = lane / ${o.lanes};
  const ${type}* left = reinterpret_cast<const ${type}*>(a);
  const ${type}* right = reinterpret_cast<const ${type}*>(b);
  ${walk}
}
`;
    const grid = m / warps / (o.order === "stride" ? 4 : 1);
    return styled({ source, launches: [launch("row_products", grid, o.block, csr)] }, { names: "snake", indent: 2 });
  },
});

interface Folded {
  readonly lanes: number;
  readonly fold: string;
  readonly chained: boolean;
  readonly tail: string;
}

/** Products of the entries from j to end, 32 at a time: parts of several entries are summed by one exchange. */
function foldedRow(o: Folded): string {
  const { type, count, pitch } = spreadOver(o.lanes);
  const dot = `const ${type}* y = right + __shfl_sync(0xffffffffu, c, g * ${o.lanes} + i) * ${pitch} + l;
        float s = 0.0f;
        #pragma unroll
        for (int q = 0; q < ${count}; ++q) {
          const ${type} v = y[q * ${o.lanes}];
          ${addProduct(type, "s", "x[q]", "v", o.chained)}
        }
        p[i] = s;`;
  const column =
    o.tail === "clamp" ? "const int c = cols[min(mine, end - 1)];" : "const int c = mine < end ? cols[mine] : 0;";
  return `${type} x[${count}];
    #pragma unroll
    for (int q = 0; q < ${count}; ++q) x[q] = left[row * ${pitch} + l + q * ${o.lanes}];
    for (; j < end; j += 32) {
      const int mine = j + lane;
      ${column}
      float p[${o.lanes}];
      #pragma unroll
      for (int i = 0; i < ${o.lanes}; ++i) {
        ${dot}
      }
      ${foldParts(o.fold, o.lanes)}
      if (mine < end) out[mine] = total * scale[mine];
    }`;
}

function foldedHead(lanes: number): string {
  const { type } = spreadOver(lanes);
  return `const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int l = lane % ${lanes}, g = lane / ${lanes};
  const ${type}* left = reinterpret_cast<const ${type}*>(a);
  const ${type}* right = reinterpret_cast<const ${type}*>(b);`;
}

export const foldedRows = template({
  id: "folded-rows",
  from: "row-warps",
  count: 18,
  idea: "collect the lanes' parts of many entries and sum them in one folding exchange",
  options: {
    lanes: [32, 16, 8, 4],
    fold: ["board", "fold"],
    chained: [true, false],
    tail: ["clamp", "zero"],
    order: ["spread", "grid", "stride"],
    restrict: [true, false],
    bounded: [true, false],
    block: [256, 128, 64],
  },
  write(o, { m = 0 }) {
    const warps = o.block / 32;
    const body = `int j = row_ptr[row];
    const int end = row_ptr[row + 1];
    ${foldedRow(o)}`;
    const serial = `blockIdx.x * ${warps} + warp`;
    const walk = {
      grid: `const int row = ${serial};\n${body}`,
      stride: `for (int row = ${serial}; row < ${m}; row += gridDim.x * ${warps}) {\n${body}\n}`,
      spread: `const int serial = ${serial};\nconst int row = serial % 128 * ${m / 128} + serial / 128;\n${body}`,
    }[o.order];
    const source = `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}folded_rows(${parameters(csr, o.restrict)}) {
  ${boardOf(o.fold, warps, o.lanes)}
  ${foldedHead(o.lanes)}
  ${walk}
}
`;
    const grid = m / warps / (o.order === "stride" ? 4 : 1);
    return styled({ source, launches: [launch("folded_rows", grid, o.block, csr)] }, { names: "camel", indent: 4 });
  },
});

const takeTicket = {
  warp: `int first = 0;
    if (lane == 0) first = atomicAdd(tickets, ROWS_AT_ONCE);
    first = __shfl_sync(0xffffffffu, first, 0);
    if (first >= ROW_COUNT) break;
    const int last = min(first + ROWS_AT_ONCE, ROW_COUNT);
    for (int turn = first; turn < last; ++turn) {`,
  block: `__syncthreads();
    if (threadIdx.x == 0) drawn = atomicAdd(tickets, ROWS_AT_ONCE * WARPS);
    __syncthreads();
    const int first = drawn;
    if (first >= ROW_COUNT) break;
    const int last = min(first + ROWS_AT_ONCE * WARPS, ROW_COUNT);
    for (int turn = first + warp; turn < last; turn += WARPS) {`,
} as const;

/** Resident warps that draw rows from a counter. */
export const tickets = template({
  id: "tickets",
  from: "row-warps",
  count: 20,
  idea: "let resident warps draw rows from a counter, since rows differ in length",
  options: {
    taker: ["warp", "block"],
    inner: ["folded", "groups"],
    lanes: [16, 8, 32],
    fold: ["fold", "board"],
    chained: [true, false],
    tail: ["zero", "clamp"],
    restrict: [true, false],
    backwards: [false, true],
    rows_at_once: [1, 2, 4],
    blocks: [4, 8, 2],
    block: [256, 128],
  },
  valid: (o) => o.inner === "folded" || (o.fold === "fold" && o.tail === "zero"),
  write(o, { m = 0 }) {
    const names = [...csr, "tickets"];
    const { type, count, pitch } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const groups = `${repeat(count, (i) => `const ${type} x${i} = left[row * ${pitch} + l + ${i * o.lanes}];`)}
      for (; j < end; j += ${per}) {
        const int e = min(j + g, end - 1);
        const ${type}* y = right + cols[e] * ${pitch} + l;
        float sum = 0.0f;
        ${repeat(count, (i) => `{\nconst ${type} v = y[${i * o.lanes}];\n${addProduct(type, "sum", `x${i}`, "v", o.chained)}\n}`)}
        ${sumOverGroup("loop", o.lanes)}
        if (l == 0) out[e] = sum * scale[e];
      }`;
    const warps = o.block / 32;
    const source = `#define ROW_COUNT ${m}
#define ROWS_AT_ONCE ${o.rows_at_once}
#define WARPS ${warps}

extern "C" __global__ void clear_tickets(int* tickets) {
  if (threadIdx.x < 64) tickets[threadIdx.x] = 0;
}

extern "C" __global__ void draw_rows(${parameters(csr, o.restrict)}, int* tickets) {
  ${on(o.inner === "folded", boardOf(o.fold, warps, o.lanes))}
  ${on(o.taker === "block", "__shared__ int drawn;")}
  ${foldedHead(o.lanes)}
  while (true) {
    ${takeTicket[o.taker]}
      const int row = ${o.backwards ? "ROW_COUNT - 1 - turn" : "turn"};
      int j = row_ptr[row];
      const int end = row_ptr[row + 1];
      ${o.inner === "folded" ? foldedRow(o) : groups}
    }
  }
}
`;
    const launches = [launch("clear_tickets", 1, 64, ["tickets"]), launch("draw_rows", 132 * o.blocks, o.block, names)];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
