import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addToRow, csr, joinHalves, matrixArguments, startSums, storeRow, walkEntries, widths } from "./walk.ts";

/** Statements that add `v` times row `c` of x to a lane's quads, for 16 / lanes quads that lie `lanes` apart. */
function addQuads(quads: number, lanes: number, tag = ""): { load: string; add: string } {
  return {
    load: repeat(
      quads,
      (q) => `const float4 p${q}${tag} = quads[c${tag} * 16 + place${on(q > 0, ` + ${q * lanes}`)}];`,
    ),
    add: repeat(quads, (q) =>
      ["x", "y", "z", "w"].map((k) => `sum${q}.${k} += v${tag} * p${q}${tag}.${k};`).join("\n"),
    ),
  };
}

/** Several rows per warp, each with a few lanes that hold four features or more. */
export const laneGroups = template({
  id: "lane-groups",
  from: "warp-row",
  idea: "Put several rows into a warp: a few lanes per row with four features or more each",
  options: {
    lanes: [16, 8, 4],
    entries: ["plain", "passed", "by hand"],
    unroll: [false, true],
    rows: ["one", "stride"],
    cast: ["pointer", "inline"],
    early: [false, true],
    block: [256, 128, 512],
  },
  valid: (o) => !(o.unroll && o.entries === "by hand"),
  count: 28,
  write: (o, { rows = 0 }) => {
    const { lanes } = o;
    const quads = 16 / lanes;
    const perBlock = o.block / lanes;
    const { load, add } = addQuads(quads, lanes);
    const pragma = on(o.unroll, "#pragma unroll 4");
    const one = `const int c = cols[k];\nconst float v = vals[k];\n${load}\n${add}`;
    const loop = {
      plain: `${pragma}\nfor (int k = begin; k < end; ++k) {\n${one}\n}`,
      "by hand": `int k = begin;
        for (; k + 1 < end; k += 2) {
          ${repeat(2, (t) => `const int c${"ab"[t]} = cols[k + ${t}];\nconst float v${"ab"[t]} = vals[k + ${t}];`)}
          ${repeat(2, (t) => addQuads(quads, lanes, "ab"[t]).load)}
          ${repeat(2, (t) => addQuads(quads, lanes, "ab"[t]).add)}
        }
        if (k < end) {\n${one}\n}`,
      passed: `for (int base = begin; base < end; base += ${lanes}) {
          const bool some = base + place < end;
          const int own_c = some ? cols[base + place] : 0;
          const float own_v = some ? vals[base + place] : 0.0f;
          const int here = min(${lanes}, end - base);
          ${pragma}
          for (int j = 0; j < here; ++j) {
            const int c = __shfl_sync(members, own_c, j, ${lanes});
            const float v = __shfl_sync(members, own_v, j, ${lanes});
            ${load}
            ${add}
          }
        }`,
    }[o.entries];
    const row = `const int begin = row_ptr[row], end = row_ptr[row + 1];
      float4 ${repeat(quads, (q) => `sum${q} = make_float4(0.0f, 0.0f, 0.0f, 0.0f)`, ", ")};
      ${on(o.early, `if (begin < end) {\n${loop}\n}`, loop)}
      ${repeat(quads, (q) => `result[row * 16 + place${on(q > 0, ` + ${q * lanes}`)}] = sum${q};`)}`;
    const text = `extern "C" __global__ void spmm_groups(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        const int place = threadIdx.x % ${lanes};
        ${on(o.entries === "passed", `const unsigned int members = ${(2 ** lanes - 1).toString()}u << (threadIdx.x % 32 / ${lanes} * ${lanes});`)}
        const float4* quads = reinterpret_cast<const float4*>(x);
        float4* result = reinterpret_cast<float4*>(y);
        ${
          o.rows === "stride"
            ? `for (int row = blockIdx.x * ${perBlock} + threadIdx.x / ${lanes}; row < ${rows}; row += gridDim.x * ${perBlock}) {\n${row}\n}`
            : `const int row = blockIdx.x * ${perBlock} + threadIdx.x / ${lanes};\n${row}`
        }
      }
    `;
    const source =
      o.cast === "pointer"
        ? text
        : text
            .replace("const float4* quads = reinterpret_cast<const float4*>(x);\n", "")
            .replace("float4* result = reinterpret_cast<float4*>(y);\n", "")
            .replaceAll("quads[", "reinterpret_cast<const float4*>(x)[")
            .replaceAll("result[", "reinterpret_cast<float4*>(y)[");
    const blocks = o.rows === "stride" ? (132 * 1024) / o.block : rows / perBlock;
    return styled(
      { source, launches: [launch("spmm_groups", blocks, o.block, [...matrixArguments, "x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A thread per row and slice of features, the slice in registers. */
export const threadRow = template({
  id: "thread-row",
  from: "element-thread",
  idea: "Let a thread hold several features of its row in registers so that each entry is read less often",
  options: {
    features: [8, 4, 16, 32],
    order: ["slices first", "rows first"],
    vector: [true, false],
    hold: ["array", "vectors"],
    read: ["plain", "__ldg"],
    unroll: [false, true],
    block: [128, 64, 256],
  },
  valid: (o) => o.hold === "array" || o.vector,
  count: 20,
  write: (o, { rows = 0 }) => {
    const { features } = o;
    const slices = 64 / features;
    const slicesFirst = o.order === "slices first";
    const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
    const quads = features / 4;
    const quad = (q: string): string => get(`reinterpret_cast<const float4*>(x)[c * 16 + first / 4 + ${q}]`);
    const vectors = o.hold === "vectors";
    const add = vectors
      ? repeat(
          quads,
          (q) =>
            `{\nconst float4 p = ${quad(String(q))};\n${["x", "y", "z", "w"].map((k) => `acc${q}.${k} += v * p.${k};`).join("\n")}\n}`,
        )
      : o.vector
        ? `#pragma unroll
          for (int q = 0; q < ${quads}; ++q) {
            const float4 p = ${quad("q")};
            acc[4 * q] += v * p.x;
            acc[4 * q + 1] += v * p.y;
            acc[4 * q + 2] += v * p.z;
            acc[4 * q + 3] += v * p.w;
          }`
        : `#pragma unroll
          for (int j = 0; j < ${features}; ++j) acc[j] += v * ${get("x[c * 64 + first + j]")};`;
    const store = vectors
      ? repeat(quads, (q) => `reinterpret_cast<float4*>(y)[row * 16 + first / 4 + ${q}] = acc${q};`)
      : o.vector
        ? `#pragma unroll
          for (int q = 0; q < ${quads}; ++q)
            reinterpret_cast<float4*>(y)[row * 16 + first / 4 + q] = make_float4(acc[4 * q], acc[4 * q + 1], acc[4 * q + 2], acc[4 * q + 3]);`
        : `#pragma unroll\nfor (int j = 0; j < ${features}; ++j) y[row * 64 + first + j] = acc[j];`;
    const source = `extern "C" __global__ void rowSlices(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int row = ${slicesFirst ? `i / ${slices}` : `i % ${rows}`};
        const int first = ${slicesFirst ? `i % ${slices}` : `i / ${rows}`} * ${features};
        ${
          vectors
            ? `float4 ${repeat(quads, (q) => `acc${q} = make_float4(0.0f, 0.0f, 0.0f, 0.0f)`, ", ")};`
            : `float acc[${features}];\n#pragma unroll\nfor (int j = 0; j < ${features}; ++j) acc[j] = 0.0f;`
        }
        const int end = row_ptr[row + 1];
        ${on(o.unroll, "#pragma unroll 2")}
        for (int k = row_ptr[row]; k < end; ++k) {
          const int c = cols[k];
          const float v = vals[k];
          ${add}
        }
        ${store}
      }
    `;
    return styled(
      { source, launches: [launch("rowSlices", (rows * slices) / o.block, o.block, [...matrixArguments, "x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** A block per row or per few rows, its warps on different entries. */
export const blockRow = template({
  id: "block-row",
  from: "warp-row",
  idea: "Share a row's entries out over the warps of a block and add their sums in shared memory",
  options: {
    width: widths,
    walk: ["plain", "shuffle", "four"],
    deal: ["parts", "turns"],
    join: ["serial", "atomic", "halving"],
    warps: [4, 2, 8],
    rows: [1, 4, 16],
  },
  valid: (o) => o.deal === "parts" || o.walk === "shuffle",
  count: 22,
  write: (o, { rows = 0 }) => {
    const threads = 32 * o.warps;
    const share =
      o.deal === "parts"
        ? `const int part = (end - begin + ${o.warps - 1}) / ${o.warps};
          const int from = min(begin + warp * part, end), to = min(from + part, end);
          ${walkEntries(o.walk, o.width, "from", "to")}`
        : `for (int from = begin + 32 * warp; from < end; from += ${threads}) {
            const int to = min(from + 32, end);
            ${walkEntries("shuffle", o.width, "from", "to")}
          }`;
    const sums = {
      serial: storeRow(o.width, "warp").replaceAll("y[", "sums[").replaceAll("(y)", "(sums)"),
      halving: storeRow(o.width, "warp").replaceAll("y[", "sums[").replaceAll("(y)", "(sums)"),
      atomic: addToRow(o.width, "0", "sums"),
    }[o.join];
    const join = {
      serial: `for (int f = threadIdx.x; f < 64; f += ${threads}) {
          float total = 0.0f;
          for (int w = 0; w < ${o.warps}; ++w) total += sums[w * 64 + f];
          y[row * 64 + f] = total;
        }`,
      halving: `for (int rest = ${o.warps / 2}; rest > 0; rest /= 2) {
          for (int f = threadIdx.x; f < rest * 64; f += ${threads}) sums[f] += sums[f + rest * 64];
          __syncthreads();
        }
        for (int f = threadIdx.x; f < 64; f += ${threads}) y[row * 64 + f] = sums[f];`,
      atomic: `for (int f = threadIdx.x; f < 64; f += ${threads}) y[row * 64 + f] = sums[f];`,
    }[o.join];
    const source = `extern "C" __global__ void spmm_blocks(${csr}, const float* __restrict__ x, float* __restrict__ y) {
        __shared__ __align__(16) float sums[${o.join === "atomic" ? 64 : 64 * o.warps}];
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        for (int row = blockIdx.x * ${o.rows}; row < blockIdx.x * ${o.rows} + ${o.rows}; ++row) {
          ${on(o.join === "atomic", `for (int f = threadIdx.x; f < 64; f += ${threads}) sums[f] = 0.0f;\n__syncthreads();`)}
          const int begin = row_ptr[row], end = row_ptr[row + 1];
          ${startSums(o.width)}
          ${share}
          ${joinHalves(o.width)}
          ${sums}
          __syncthreads();
          ${join}
          ${on(o.rows > 1, "__syncthreads();")}
        }
      }
    `;
    return styled(
      { source, launches: [launch("spmm_blocks", rows / o.rows, threads, [...matrixArguments, "x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});
