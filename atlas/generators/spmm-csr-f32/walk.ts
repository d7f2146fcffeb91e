import { on, repeat } from "../kit/code.ts";

/** Which of the 64 features a lane holds: two apart, two neighbours, or four for every second entry. */
export type Width = "two" | "pair" | "quad";
/** How a warp walks a row's entries. */
export type Walk = "plain" | "four" | "shuffle";

export const widths = ["pair", "two", "quad"] as const;

const type = { two: "float2", pair: "float2", quad: "float4" };

/** Declares the sums of a lane and the place of its features. */
export function startSums(width: Width): string {
  return width === "quad"
    ? "float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);"
    : "float2 sum = make_float2(0.0f, 0.0f);";
}

/** Reads the lane's features of row `c` of x. */
export function readDense(width: Width, c: string): string {
  return {
    two: `make_float2(x[${c} * 64 + lane], x[${c} * 64 + lane + 32])`,
    pair: `reinterpret_cast<const float2*>(x)[${c} * 32 + lane]`,
    quad: `reinterpret_cast<const float4*>(x)[${c} * 16 + (lane & 15)]`,
  }[width];
}

export function addScaled(width: Width, v: string, from: string): string {
  const parts = width === "quad" ? ["x", "y", "z", "w"] : ["x", "y"];
  return parts.map((k) => `sum.${k} += ${v} * ${from}.${k};`).join("\n");
}

function use(width: Width, c: string, v: string): string {
  return `const ${type[width]} dense = ${readDense(width, c)};\n${addScaled(width, v, "dense")}`;
}

const half = (width: Width): string => on(width === "quad", " + (lane >> 4)");

/** Statements of a warp that add entries begin … end - 1 to the lane's sums; all 32 lanes take part. */
export function walkEntries(walk: Walk, width: Width, begin: string, end: string, pragma = ""): string {
  const step = width === "quad" ? 2 : 1;
  if (walk === "plain")
    return `${pragma}
      for (int k = ${begin}${half(width)}; k < ${end}; k += ${step}) {
        const int c = cols[k];
        const float v = vals[k];
        ${use(width, "c", "v")}
      }`;
  if (walk === "four")
    return `int k = ${begin}${half(width)};
      for (; k + ${3 * step} < ${end}; k += ${4 * step}) {
        ${repeat(4, (j) => `const int c${j} = cols[k + ${j * step}];`)}
        ${repeat(4, (j) => `const float v${j} = vals[k + ${j * step}];`)}
        ${repeat(4, (j) => `const ${type[width]} d${j} = ${readDense(width, `c${j}`)};`)}
        ${repeat(4, (j) => addScaled(width, `v${j}`, `d${j}`))}
      }
      for (; k < ${end}; k += ${step}) {
        const int c = cols[k];
        const float v = vals[k];
        ${use(width, "c", "v")}
      }`;
  return `for (int base = ${begin}; base < ${end}; base += 32) {
      const bool some = base + lane < ${end};
      const int own_column = some ? cols[base + lane] : 0;
      const float own_value = some ? vals[base + lane] : 0.0f;
      const int here = min(32, ${end} - base);
      ${pragma}
      for (int j = 0; j < here; j += ${step}) {
        const int c = __shfl_sync(0xffffffffu, own_column, j${half(width)});
        const float v = __shfl_sync(0xffffffffu, own_value, j${half(width)});
        ${use(width, "c", "v")}
      }
    }`;
}

/** Statements that join the halves of a warp where it walks two entries at once. */
export function joinHalves(width: Width): string {
  return width === "quad"
    ? ["x", "y", "z", "w"].map((k) => `sum.${k} += __shfl_xor_sync(0xffffffffu, sum.${k}, 16);`).join("\n")
    : "";
}

/** Statements that store the lane's sums as row `row` of y. */
export function storeRow(width: Width, row: string): string {
  return {
    two: `y[${row} * 64 + lane] = sum.x;\ny[${row} * 64 + lane + 32] = sum.y;`,
    pair: `reinterpret_cast<float2*>(y)[${row} * 32 + lane] = sum;`,
    quad: `if (lane < 16) reinterpret_cast<float4*>(y)[${row} * 16 + lane] = sum;`,
  }[width];
}

/** Statements that add the lane's sums to row `row` of y, or of shared memory. */
export function addToRow(width: Width, row: string, target = "y"): string {
  const places = {
    two: ["lane", "lane + 32"],
    pair: ["2 * lane", "2 * lane + 1"],
    quad: ["4 * lane", "4 * lane + 1", "4 * lane + 2", "4 * lane + 3"],
  }[width];
  const adds = places.map((place, k) => `atomicAdd(&${target}[${row} * 64 + ${place}], sum.${"xyzw"[k]});`).join("\n");
  return width === "quad" ? `if (lane < 16) {\n${adds}\n}` : adds;
}

export const csr = "const int* __restrict__ row_ptr, const int* __restrict__ cols, const float* __restrict__ vals";
export const matrixArguments = ["row_ptr", "cols", "vals"] as const;
