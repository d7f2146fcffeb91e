import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { args, columns, depth, gated, parameters, rows, silus, type } from "./parts.ts";

const threadOptions = {
  loops: ["joint", "separate"],
  pair: [false, true],
  wideInput: [false, true],
  convert: ["intrinsic", "bits"],
  silu: silus,
  unroll: [false, true],
  restrict: [false, true],
  sizes: ["args", "define"],
  shape: ["32x8", "16x16", "64x4", "128x2"],
} as const;

/** Statements of one sum over k, for the named weights. */
function threadLoop(o: Chosen<typeof threadOptions>, weights: readonly ("w1" | "w2")[]): string {
  const sums = { w1: "gate", w2: "value" };
  const element = (place: string): string =>
    o.convert === "bits"
      ? `__uint_as_float((unsigned)__bfloat16_as_ushort(${place}) << 16)`
      : `__bfloat162float(${place})`;
  const add = (input: string, i: string): string =>
    weights
      .map((w) =>
        o.pair
          ? `{
              const float2 both = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&${w}[(${i}) * n + col]));
              ${sums[w]}[0] += ${input} * both.x;
              ${sums[w]}[1] += ${input} * both.y;
            }`
          : `${sums[w]} += ${input} * ${element(`${w}[(${i}) * n + col]`)};`,
      )
      .join("\n");
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  if (!o.wideInput)
    return `${pragma}for (int i = 0; i < k; i++) {
      const float in = ${element("x[row * k + i]")};
      ${add("in", "i")}
    }`;
  return `for (int i0 = 0; i0 < k; i0 += 8) {
      const uint4 eight = *reinterpret_cast<const uint4*>(&x[row * k + i0]);
      const ${type}* ins = reinterpret_cast<const ${type}*>(&eight);
      ${on(o.unroll, "#pragma unroll\n", "#pragma unroll 2\n")}for (int i = 0; i < 8; i++) {
        const float in = ${element("ins[i]")};
        ${add("in", "i0 + i")}
      }
    }`;
}

/** One thread per output, or per pair of outputs, everything through the caches. */
export const outputPerThread: Template = template({
  id: "output-per-thread",
  from: null,
  idea: "let a thread walk along k for its outputs and read the operands through the caches",
  options: threadOptions,
  count: 26,
  write: (o) => {
    const [across = 32, down = 8] = o.shape.split("x").map(Number);
    const wide = o.pair ? 2 : 1;
    const define = o.sizes === "define";
    const declare = o.pair
      ? "float gate[2] = {0.0f, 0.0f}, value[2] = {0.0f, 0.0f};"
      : "float gate = 0.0f, value = 0.0f;";
    const loops =
      o.loops === "joint" ? threadLoop(o, ["w1", "w2"]) : `${threadLoop(o, ["w1"])}\n${threadLoop(o, ["w2"])}`;
    const result = o.pair
      ? `const float first = ${gated(o.silu, "gate[0]", "value[0]")};
         const float second = ${gated(o.silu, "gate[1]", "value[1]")};
         *reinterpret_cast<__nv_bfloat162*>(&y[row * n + col]) = __floats2bfloat162_rn(first, second);`
      : `y[row * n + col] = __float2bfloat16(${gated(o.silu, "gate", "value")});`;
    const source = `
      #include <cuda_bf16.h>
      ${on(define, `\n#define n ${columns}\n#define k ${depth}\n`)}
      extern "C" __global__ void gated_unit(${parameters(o.restrict)}${on(!define, ", int n, int k")}) {
        const int col = (blockIdx.x * ${across} + threadIdx.x)${on(o.pair, " * 2")};
        const int row = blockIdx.y * ${down} + threadIdx.y;
        ${declare}
        ${loops}
        ${result}
      }
    `;
    const grid = [columns / (across * wide), rows / down] as const;
    return styled(
      {
        source,
        launches: [
          launch("gated_unit", grid, [across, down], [...args, ...(define ? [] : [{ i32: columns }, { i32: depth }])]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const tileOptions = {
  hold: ["float", "bf16"],
  tall: [false, true],
  ahead: [false, true],
  padded: [false, true],
  silu: silus,
  unroll: [true, false],
  restrict: [true, false],
  separate: [false, true],
  bounded: [false, true],
  tile: [16, 32],
} as const;

/** Square tiles of the operands in shared memory, one or several outputs of a column per thread. */
export const sharedTile: Template = template({
  id: "shared-tile",
  from: "output-per-thread",
  idea: "stage square tiles of x and both weights in shared memory",
  options: tileOptions,
  count: 28,
  write: (o) => {
    const each = o.tall ? 4 : 1;
    const kept = o.hold === "float" ? "float" : type;
    const put = (place: string): string => (o.hold === "float" ? `__bfloat162float(${place})` : place);
    const use = (place: string): string => (o.hold === "float" ? place : `__bfloat162float(${place})`);
    const overRows = (body: string): string =>
      each === 1
        ? body.replaceAll("ROW", "ty").replaceAll("[r]", "")
        : `#pragma unroll\nfor (int r = 0; r < ${each}; ++r) {\n${body.replaceAll("ROW", `(ty + r * ${o.tile / each})`)}\n}`;
    const dims = on(each > 1, `[${each}]`);
    const take = overRows(
      `nextX[r] = x[(row0 + ROW) * K + START + tx];\nnext1[r] = w1[(START + ROW) * N + col];\nnext2[r] = w2[(START + ROW) * N + col];`,
    );
    const keep = overRows(
      o.ahead
        ? `xs[ROW][tx] = ${put("nextX[r]")};\nw1s[ROW][tx] = ${put("next1[r]")};\nw2s[ROW][tx] = ${put("next2[r]")};`
        : `xs[ROW][tx] = ${put("x[(row0 + ROW) * K + start + tx]")};\nw1s[ROW][tx] = ${put("w1[(start + ROW) * N + col]")};\nw2s[ROW][tx] = ${put("w2[(start + ROW) * N + col]")};`,
    );
    const pragma = on(o.unroll, "#pragma unroll\n", "#pragma unroll 2\n");
    const sums = o.separate
      ? `${pragma}for (int i = 0; i < TILE; ++i) {\nconst float w = ${use("w1s[i][tx]")};\n${overRows(`gate[r] += ${use("xs[ROW][i]")} * w;`)}\n}
         ${pragma}for (int i = 0; i < TILE; ++i) {\nconst float w = ${use("w2s[i][tx]")};\n${overRows(`value[r] += ${use("xs[ROW][i]")} * w;`)}\n}`
      : `${pragma}for (int i = 0; i < TILE; ++i) {\nconst float w = ${use("w1s[i][tx]")}, v = ${use("w2s[i][tx]")};\n${overRows(`const float in = ${use("xs[ROW][i]")};\ngate[r] += in * w;\nvalue[r] += in * v;`)}\n}`;
    const source = `
      #include <cuda_bf16.h>

      constexpr int N = ${columns}, K = ${depth}, TILE = ${o.tile};

      extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${(o.tile * o.tile) / each}) `)}gatedTiles(${parameters(o.restrict)}) {
        __shared__ ${kept} xs[TILE][TILE${on(o.padded, " + 1")}], w1s[TILE][TILE], w2s[TILE][TILE];
        const int tx = threadIdx.x, ty = threadIdx.y;
        const int row0 = blockIdx.y * TILE, col = blockIdx.x * TILE + tx;
        float gate${dims}${on(each > 1, " = {}", " = 0.0f")}, value${dims}${on(each > 1, " = {}", " = 0.0f")};
        ${on(o.ahead, `${type} nextX${dims}, next1${dims}, next2${dims};\n${take.replaceAll("START", "0")}`)}
        for (int start = 0; start < K; start += TILE) {
          ${keep}
          __syncthreads();
          ${on(o.ahead, `if (start + TILE < K) {\n${take.replaceAll("START", "start + TILE")}\n}`)}
          ${sums}
          __syncthreads();
        }
        ${overRows(`y[(row0 + ROW) * N + col] = __float2bfloat16(${gated(o.silu, "gate[r]", "value[r]")});`)}
      }
    `;
    return styled(
      { source, launches: [launch("gatedTiles", [columns / o.tile, rows / o.tile], [o.tile, o.tile / each], args)] },
      { names: "camel", indent: 2 },
    );
  },
});
