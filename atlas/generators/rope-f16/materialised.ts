import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { shape } from "./layout.ts";
import { trigLines } from "./trig.ts";

/** rotate_half into scratch, then x cos + rotated sin, as a framework without fusion would. */
export const materialised: Template = template({
  id: "rotated-copy",
  from: "pair-per-thread",
  idea: "Write the half-turned copy of every head to scratch, then combine both with cosines and sines.",
  options: {
    vector: [false, true],
    trig: ["powf", "exp2", "approx", "separate"],
    angles: ["inline", "table"],
    first: ["copy", "scaled"],
    loop: ["element", "stride"],
    separate: [true, false],
    math: ["float", "half"],
    block: [256, 128, 512],
    order: ["queries-first", "copies-first"],
  },
  valid: ({ separate, order }) => separate || order === "queries-first",
  count: 24,
  write: ({ vector, trig, angles, first, loop, separate, math, block, order }, sizes) => {
    const { tokens, heads, keyHeads } = shape(sizes);
    const type = vector ? "__half2" : "__half";
    const length = vector ? 64 : 128;
    const halfLength = length / 2;
    const scaled = first === "scaled";
    const negative = vector ? "__hneg2" : "__hneg";
    const over = (body: string): string =>
      loop === "element"
        ? `const int n = blockIdx.x * blockDim.x + threadIdx.x;\nif (n >= count) return;\n${body}`
        : `for (int n = blockIdx.x * blockDim.x + threadIdx.x; n < count; n += gridDim.x * blockDim.x) {\n${body}\n}`;
    const anglesOf = (e: string, suffix: string): string =>
      angles === "table"
        ? `const float c${suffix} = table[token * 128 + ${e}];\nconst float s${suffix} = table[token * 128 + 64 + ${e}];`
        : `float c${suffix}, s${suffix};\n${trigLines(trig, "positions[token]", e, `c${suffix}`, `s${suffix}`)}`;
    const all = vector
      ? `${anglesOf(`2 * (i % ${halfLength})`, "0")}\n${anglesOf(`2 * (i % ${halfLength}) + 1`, "1")}`
      : anglesOf(`i % ${halfLength}`, "0");
    const combineFloat = vector
      ? `
        const float2 a = __half22float2(x[n]);
        const float2 b = __half22float2(rotated[n]);
        y[n] = __floats2half2_rn(a.x * c0 + b.x${on(!scaled, " * s0")}, a.y * c1 + b.y${on(!scaled, " * s1")});`
      : `y[n] = __float2half_rn(__half2float(x[n]) * c0 + __half2float(rotated[n])${on(!scaled, " * s0")});`;
    const cosines = vector ? "__floats2half2_rn(c0, c1)" : "__float2half_rn(c0)";
    const sines = vector ? "__floats2half2_rn(s0, s1)" : "__float2half_rn(s0)";
    const [fma, multiply] = vector ? ["__hfma2", "__hmul2"] : ["__hfma", "__hmul"];
    const combineHalf = scaled
      ? `y[n] = ${fma}(x[n], ${cosines}, rotated[n]);`
      : `y[n] = ${fma}(x[n], ${cosines}, ${multiply}(rotated[n], ${sines}));`;
    const partner = `const ${type} other = x[i < ${halfLength} ? n + ${halfLength} : n - ${halfLength}];\nconst ${type} turned = i < ${halfLength} ? ${negative}(other) : other;`;
    const store = scaled
      ? `
        const int token = n / (heads * ${length});
        ${all}
        rotated[n] = ${multiply}(turned, ${sines});`
      : "rotated[n] = turned;";
    const source = `
      #include <cuda_fp16.h>

      ${on(
        angles === "table",
        `
        extern "C" __global__ void angle_table(const int* positions, float* table) {
          const int token = blockIdx.x;
          const int i = threadIdx.x;
          float c, s;
          ${trigLines(trig, "positions[token]", "i", "c", "s")}
          table[token * 128 + i] = c;
          table[token * 128 + 64 + i] = s;
        }
      `,
      )}
      extern "C" __global__ void turn_halves(const ${type}* x, ${type}* scratch, const int* positions, const float* table, int heads, int offset, int count) {
        ${type}* rotated = scratch + offset;
        ${over(`const int i = n % ${length};\n${partner}\n${store}`)}
      }

      extern "C" __global__ void combine(const ${type}* x, const ${type}* scratch, const int* positions, const float* table, ${type}* y, int heads, int offset, int count) {
        const ${type}* rotated = scratch + offset;
        ${over(`const int i = n % ${length};\nconst int token = n / (heads * ${length});\n${all}\n${math === "float" ? combineFloat : combineHalf}`)}
      }
    `;
    const part = (name: "q" | "k"): readonly [ReturnType<typeof launch>, ReturnType<typeof launch>] => {
      const own = name === "q" ? heads : keyHeads;
      const count = tokens * own * length;
      const offset = name === "q" || !separate ? 0 : tokens * heads * length;
      const grid = loop === "element" ? count / block : 132 * 8;
      const numbers = [{ i32: own }, { i32: offset }, { i32: count }];
      return [
        launch("turn_halves", grid, block, [name, "rotated", "positions", "table", ...numbers]),
        launch("combine", grid, block, [name, "rotated", "positions", "table", `${name}_out`, ...numbers]),
      ];
    };
    const [q, k] = [part("q"), part("k")];
    const launches = [
      ...(angles === "table" ? [launch("angle_table", tokens, 64, ["positions", "table"])] : []),
      ...(order === "queries-first" ? [...q, ...k] : [q[0], k[0], q[1], k[1]]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
