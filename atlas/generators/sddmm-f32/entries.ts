import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addProduct, coo, parameters, spreadOver, sumOverGroup } from "./parts.ts";

const vectors = { scalar: 1, pairs: 2, quads: 4 } as const;

/** One product of two rows by a single thread, with one or several sums. */
function threadDot(o: { width: keyof typeof vectors; chains: number; unroll: string; read: string }): string {
  const ld = (pointer: string): string => (o.read === "ldg" ? `__ldg(${pointer})` : `*(${pointer})`);
  const step = vectors[o.width];
  const sums = Array.from({ length: o.chains }, (_, i) => `s${i}`);
  const cell = (i: number): string => {
    const k = i === 0 ? "k" : `k + ${i * step}`;
    if (step === 1) return `s${i} += ${ld(`left + ${k}`)} * ${ld(`right + ${k}`)};`;
    const type = step === 2 ? "float2" : "float4";
    return `{
      const ${type} u = ${ld(`reinterpret_cast<const ${type}*>(left + ${k})`)};
      const ${type} v = ${ld(`reinterpret_cast<const ${type}*>(right + ${k})`)};
      ${addProduct(type, `s${i}`, "u", "v", o.unroll === "whole")}
    }`;
  };
  const pragma = { none: "#pragma unroll 1\n", whole: "#pragma unroll\n", default: "" }[o.unroll] ?? "";
  return `float ${sums.map((s) => `${s} = 0.0f`).join(", ")};
  ${pragma}for (int k = 0; k < 64; k += ${step * o.chains}) {
    ${sums.map((_, i) => cell(i)).join("\n")}
  }
  const float sum = ${sums.join(" + ")};`;
}

const findRow: Readonly<Record<string, string>> = {
  listed: "const int row = rows[e];",
  bisected: `int row = 0;
  for (int half = 8192; half > 0; half /= 2) {
    if (row_ptr[row + half] <= e) row += half;
  }`,
};

export const threadEntries = template({
  id: "thread-entries",
  from: null,
  count: 24,
  idea: "look each entry's row and column up once and read both rows by pointer",
  options: {
    width: ["scalar", "pairs", "quads"],
    chains: [1, 2, 4],
    unroll: ["default", "none", "whole"],
    row: ["listed", "bisected"],
    walk: ["one", "stride", "neighbours"],
    read: ["plain", "ldg"],
    restrict: [false, true],
    block: [256, 128, 64, 512],
  },
  write(o, { nnz = 0 }) {
    const names = o.row === "listed" ? coo : (["row_ptr", ...coo.slice(1)] as const);
    const each = `${findRow[o.row]}
  const float* left = a + row * 64;
  const float* right = b + cols[e] * 64;
  ${threadDot(o)}
  out[e] = scale[e] * sum;`;
    const walks = {
      one: `const int e = blockIdx.x * blockDim.x + threadIdx.x;\n${each}`,
      stride: `for (int e = blockIdx.x * blockDim.x + threadIdx.x; e < ${nnz}; e += gridDim.x * blockDim.x) {\n${each}\n}`,
      neighbours: `const int first = (blockIdx.x * blockDim.x + threadIdx.x) * 4;\nfor (int e = first; e < first + 4; ++e) {\n${each}\n}`,
    };
    const source = `extern "C" __global__ void sample_entries(${parameters(names, o.restrict)}) {
  ${walks[o.walk]}
}
`;
    const grid = nnz / o.block / (o.walk === "one" ? 1 : o.walk === "stride" ? 8 : 4);
    return styled(
      { source, launches: [launch("sample_entries", grid, o.block, names)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A few lanes an entry: each takes a part of both rows, then the lanes' sums are added. */
export const laneGroups = template({
  id: "lane-groups",
  from: "thread-entries",
  count: 26,
  idea: "share an entry among some lanes, so that they read its rows together",
  options: {
    lanes: [8, 16, 32, 4],
    sum: ["down", "xor", "loop"],
    chained: [false, true],
    part: ["interleaved", "contiguous"],
    walk: ["one", "stride", "two"],
    shape: ["line", "plane"],
    read: ["plain", "ldg"],
    restrict: [true, false],
    block: [256, 128, 512],
  },
  valid: (o) => o.part === "interleaved" || o.lanes < 16,
  write(o, { nnz = 0 }) {
    const { type, count, pitch } = spreadOver(o.lanes);
    const ld = (pointer: string): string => (o.read === "ldg" ? `__ldg(${pointer})` : `*(${pointer})`);
    const at = (i: string): string => (o.part === "interleaved" ? `l + ${i} * ${o.lanes}` : `l * ${count} + ${i}`);
    const body =
      count === 1
        ? `const ${type} u = ${ld("left + l")}, v = ${ld("right + l")};
    ${addProduct(type, "sum", "u", "v", o.chained)}`
        : `#pragma unroll
    for (int i = 0; i < ${count}; ++i) {
      const ${type} u = ${ld(`left + (${at("i")})`)};
      const ${type} v = ${ld(`right + (${at("i")})`)};
      ${addProduct(type, "sum", "u", "v", o.chained)}
    }`;
    const each = `const ${type}* left = reinterpret_cast<const ${type}*>(a) + (size_t)rows[e] * ${pitch};
    const ${type}* right = reinterpret_cast<const ${type}*>(b) + (size_t)cols[e] * ${pitch};
    float sum = 0.0f;
    ${body}
    ${sumOverGroup(o.sum, o.lanes)}
    if (l == 0) out[e] = sum * scale[e];`;
    const groups = o.block / o.lanes;
    const place =
      o.shape === "line"
        ? `const int l = threadIdx.x % ${o.lanes};
  const int group = blockIdx.x * ${groups} + threadIdx.x / ${o.lanes};`
        : `const int l = threadIdx.x;
  const int group = blockIdx.x * ${groups} + threadIdx.y;`;
    const walks = {
      one: `const int e = group;\n${each}`,
      stride: `for (int e = group; e < ${nnz}; e += gridDim.x * ${groups}) {\n${each}\n}`,
      two: `#pragma unroll\nfor (int half = 0; half < 2; ++half) {\nconst int e = group + half * ${nnz / 2};\n${each}\n}`,
    };
    const source = `extern "C" __global__ void entry_groups(${parameters(coo, o.restrict)}) {
  ${place}
  ${walks[o.walk]}
}
`;
    const grid = nnz / groups / (o.walk === "one" ? 1 : o.walk === "stride" ? 16 : 2);
    const block = o.shape === "line" ? o.block : ([o.lanes, groups] as const);
    return styled({ source, launches: [launch("entry_groups", grid, block, coo)] }, { names: "camel", indent: 4 });
  },
});

/** A warp reads the indices of 32 entries at once and passes them round by shuffles. */
export const warpBatches = template({
  id: "warp-batches",
  from: "lane-groups",
  count: 26,
  idea: "let a warp read the indices of 32 entries at once, pass them round and store 32 results at once",
  options: {
    lanes: [16, 8, 32],
    keep: ["lane", "leader", "tile"],
    same_row: [false, true],
    sum: ["xor", "loop"],
    chained: [true, false],
    unroll: ["#pragma unroll 2\n", "#pragma unroll\n", "#pragma unroll 1\n", "#pragma unroll 4\n"],
    batches: ["one", "stride"],
    restrict: [true, false],
    bounded: [false, true],
    block: [256, 128, 512],
  },
  write(o, { nnz = 0 }) {
    const { type, count, pitch } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const warps = o.block / 32;
    const keep = {
      lane: `const float moved = __shfl_sync(0xffffffffu, sum, lane % ${per} * ${o.lanes});
      if (lane / ${per} == t) kept = moved;`,
      leader: "if (l == 0) out[first + e] = sum * scale[first + e];",
      tile: `if (l == 0) sums[warp][e] = sum;`,
    };
    const finish = {
      lane: "out[first + lane] = kept * s;",
      leader: "",
      tile: `__syncwarp();\nout[first + lane] = sums[warp][lane] * s;\n__syncwarp();`,
    };
    const uniform = `const bool same = __shfl_sync(0xffffffffu, r, 0) == __shfl_sync(0xffffffffu, r, 31);
    ${type} x[${count}];
    #pragma unroll
    for (int i = 0; i < ${count}; ++i) x[i] = a_rows[__shfl_sync(0xffffffffu, r, 0) * ${pitch} + l + i * ${o.lanes}];`;
    const loadLeft = o.same_row
      ? `const ${type} u = same ? x[i] : a_rows[row * ${pitch} + l + i * ${o.lanes}];`
      : `const ${type} u = a_rows[row * ${pitch} + l + i * ${o.lanes}];`;
    const batch = `const int r = rows[first + lane];
    const int c = cols[first + lane];
    ${on(o.keep !== "leader", "const float s = scale[first + lane];")}
    ${on(o.keep === "lane", "float kept = 0.0f;")}
    ${on(o.same_row, uniform)}
    ${o.unroll}for (int t = 0; t < ${o.lanes}; ++t) {
      const int e = t * ${per} + lane / ${o.lanes};
      const int row = __shfl_sync(0xffffffffu, r, e);
      const int col = __shfl_sync(0xffffffffu, c, e);
      float sum = 0.0f;
      #pragma unroll
      for (int i = 0; i < ${count}; ++i) {
        ${loadLeft}
        const ${type} v = b_rows[col * ${pitch} + l + i * ${o.lanes}];
        ${addProduct(type, "sum", "u", "v", o.chained)}
      }
      ${sumOverGroup(o.sum, o.lanes)}
      ${keep[o.keep]}
    }
    ${finish[o.keep]}`;
    const walk =
      o.batches === "one"
        ? `const int first = (blockIdx.x * ${warps} + warp) * 32;\n${batch}`
        : `for (int first = (blockIdx.x * ${warps} + warp) * 32; first < ${nnz}; first += gridDim.x * ${warps} * 32) {\n${batch}\n}`;
    const source = `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}batch_of_entries(${parameters(coo, o.restrict)}) {
  ${on(o.keep === "tile", `__shared__ float sums[${warps}][32];`)}
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int l = lane % ${o.lanes};
  const ${type}* a_rows = reinterpret_cast<const ${type}*>(a);
  const ${type}* b_rows = reinterpret_cast<const ${type}*>(b);
  ${walk}
}
`;
    const grid = nnz / o.block / (o.batches === "one" ? 1 : 8);
    return styled(
      { source, launches: [launch("batch_of_entries", grid, o.block, coo)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** A warp keeps to a stretch of entries, so that the row at hand seldom changes. */
export const stretches = template({
  id: "stretches",
  from: "warp-batches",
  count: 24,
  idea: "give each warp an equal stretch of entries and keep the current row of a in registers",
  options: {
    lanes: [16, 8, 32],
    reload: ["changed", "compare"],
    sum: ["xor", "loop", "down"],
    chained: [true, false],
    indices: ["broadcast", "lanes"],
    ahead: [false, true],
    restrict: [true, false],
    bounded: [false, true],
    length: [128, 64, 256, 512],
    block: [128, 256],
  },
  valid: (o) => !(o.ahead && o.indices === "lanes"),
  write(o, { nnz = 0 }) {
    const { type, count, pitch } = spreadOver(o.lanes);
    const per = 32 / o.lanes;
    const warps = o.block / 32;
    const load = repeat(count, (i) => `x${i} = left[row * ${pitch} + l + ${i * o.lanes}];`);
    const reload =
      o.reload === "changed"
        ? `if (row != held) {\nheld = row;\n${load}\n}`
        : `if (__any_sync(0xffffffffu, row != held)) {\nheld = row;\n${load}\n}`;
    const dot = repeat(
      count,
      (i) => `{
        const ${type} y = right[col * ${pitch} + l + ${i * o.lanes}];
        ${addProduct(type, "sum", `x${i}`, "y", o.chained)}
      }`,
    );
    const fetch =
      o.indices === "broadcast"
        ? o.ahead
          ? `const int row = next_row, col = next_col;
      if (e + ${per} < first + ${o.length}) {
        next_row = rows[e + ${per} + g];
        next_col = cols[e + ${per} + g];
      }`
          : `const int row = rows[e + g], col = cols[e + g];`
        : `if ((e - first) % 32 == 0) {
        r = rows[e + lane];
        c = cols[e + lane];
      }
      const int row = __shfl_sync(0xffffffffu, r, (e - first) % 32 + g);
      const int col = __shfl_sync(0xffffffffu, c, (e - first) % 32 + g);`;
    const source = `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}walk_stretch(${parameters(coo, o.restrict)}) {
  const int lane = threadIdx.x % 32, l = lane % ${o.lanes}, g = lane / ${o.lanes};
  const int first = (blockIdx.x * ${warps} + threadIdx.x / 32) * ${o.length};
  const ${type}* left = reinterpret_cast<const ${type}*>(a);
  const ${type}* right = reinterpret_cast<const ${type}*>(b);
  ${repeat(count, (i) => `${type} x${i};`)}
  int held = -1;
  ${on(o.indices === "lanes", "int r = 0, c = 0;")}
  ${on(o.ahead, "int next_row = rows[first + g], next_col = cols[first + g];")}
  for (int e = first; e < first + ${o.length}; e += ${per}) {
    ${fetch}
    ${reload}
    float sum = 0.0f;
    ${dot}
    ${sumOverGroup(o.sum, o.lanes)}
    if (l == 0) out[e + g] = sum * scale[e + g];
  }
}
`;
    const grid = nnz / (o.length * warps);
    return styled({ source, launches: [launch("walk_stretch", grid, o.block, coo)] }, { names: "camel", indent: 2 });
  },
});
