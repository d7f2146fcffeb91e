import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  complexHelpers,
  fromTable,
  power,
  powerFunction,
  smallTransforms,
  tableArgument,
  tableParameter,
} from "./parts.ts";

/** One launch per stage over global memory. */
export const stageLaunches: Template = template({
  id: "stage-launches",
  from: null,
  idea: "Work on whole complex numbers as vectors in every stage's launch.",
  options: {
    method: ["reversed", "autosort-2", "autosort-4"],
    powers: ["table", "sincosf", "__ldg", "sincospif", "__sincosf"],
    reversal: ["brev", "loop"],
    map: ["flat", "grid"],
    restrict: [true, false],
    rootOfOne: [false, true],
    block: [256, 128, 512],
  },
  valid: ({ method, reversal, rootOfOne }) => method === "reversed" || (reversal === "brev" && !rootOfOne),
  count: 26,
  write: ({ method, powers, reversal, map, restrict, rootOfOne, block }, { rows = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const radix = method === "autosort-4" ? 4 : 2;
    const per = 1024 / radix;
    const place =
      map === "flat"
        ? `const int id = blockIdx.x * blockDim.x + threadIdx.x;\nconst int row = id / ${per};\nconst int j = id % ${per};`
        : `const int row = blockIdx.y;\nconst int j = blockIdx.x * blockDim.x + threadIdx.x;\nif (j >= ${per}) return;`;
    const grid = map === "flat" ? (rows * per) / block : ([Math.ceil(per / block), rows] as const);
    const helpers = `${complexHelpers}\n${powerFunction(powers)}`;
    if (method !== "reversed") {
      const source = `${helpers}
        ${on(radix === 4, smallTransforms(4))}

        // A pass that sorts itself: done is the product of the radices of earlier passes.
        extern "C" __global__ void pass(const float2*${mark} from, float2*${mark} to${tableParameter(powers)}, int done) {
          ${place}
          const float2* in = from + (size_t)row * 1024;
          float2* out = to + (size_t)row * 1024;
          const int k = j % done;
          const int step = k * (${per} / done);
          const int target = (j - k) * ${radix} + k;
          ${
            radix === 2
              ? `const float2 a = in[j];\nconst float2 b = mul(in[j + 512], ${power(powers, "step")});\nout[target] = add(a, b);\nout[target + done] = sub(a, b);`
              : `float2 v[4];\nv[0] = in[j];\n${repeat(3, (q) => `v[${q + 1}] = mul(in[j + ${256 * (q + 1)}], ${power(powers, `step * ${q + 1}`)});`)}\nfft_4(v);\n${repeat(4, (q) => `out[target + ${q} * done] = v[${q}];`)}`
          }
        }`;
      const passes = radix === 2 ? 10 : 5;
      const launches = Array.from({ length: passes }, (_, p) => {
        const to = (passes - 1 - p) % 2 === 0 ? "y" : "scratch";
        const from = p === 0 ? "x" : to === "y" ? "scratch" : "y";
        return launch("pass", grid, block, [from, to, ...tableArgument(powers), { i32: radix ** p }]);
      });
      return styled({ source, launches }, { names: "camel", indent: 2 });
    }
    const target =
      reversal === "brev"
        ? "const int target = __brev(i) >> 22;"
        : "int target = 0;\nfor (int bit = 0; bit < 10; ++bit) target |= (i >> bit & 1) << (9 - bit);";
    const source = `${helpers}
      extern "C" __global__ void reorder(const float2*${mark} x, float2*${mark} y) {
        const int id = blockIdx.x * blockDim.x + threadIdx.x;
        const int i = id % 1024;
        ${target}
        y[id - i + target] = x[id];
      }

      extern "C" __global__ void stage(float2* y${tableParameter(powers)}, int half) {
        ${place}
        const int k = j & (half - 1);
        float2* at = y + (size_t)row * 1024 + 2 * j - k;
        const float2 a = at[0];
        ${
          rootOfOne
            ? `float2 b = at[half];\nif (k > 0) b = mul(b, ${power(powers, "k * (512 / half)")});`
            : `const float2 b = mul(at[half], ${power(powers, "k * (512 / half)")});`
        }
        at[0] = add(a, b);
        at[half] = sub(a, b);
      }`;
    const stages = Array.from({ length: 10 }, (_, s) =>
      launch("stage", grid, block, ["y", ...tableArgument(powers), { i32: 1 << s }]),
    );
    return styled(
      { source, launches: [launch("reorder", (rows * 1024) / block, block, ["x", "y"]), ...stages] },
      { names: "snake", indent: 4 },
    );
  },
});

/** A thread transforms a row on its own. */
export const threadPerRow: Template = template({
  id: "thread-per-row",
  from: "stage-launches",
  idea: "Let one thread transform a whole row so that nothing needs to be exchanged.",
  options: {
    method: ["reversed", "frequency"],
    powers: ["table", "__ldg", "sincospif", "__sincosf", "sincosf"],
    loops: ["halves-inside", "power-outside"],
    first: ["copy", "pairs"],
    restrict: [false, true],
    block: [64, 32, 128],
  },
  valid: ({ method, first }) => method === "reversed" || first === "copy",
  count: 20,
  write: ({ method, powers, loops, first, restrict, block }, { rows = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const turned = "(__brev(i) >> 22)";
    const butterfly =
      method === "reversed"
        ? "const float2 a = out[p], b = mul(out[p + half], t);\nout[p] = add(a, b);\nout[p + half] = sub(a, b);"
        : "const float2 a = out[p], b = out[p + half];\nout[p] = add(a, b);\nout[p + half] = mul(sub(a, b), t);";
    const walk =
      loops === "halves-inside"
        ? `
          for (int base = 0; base < 1024; base += 2 * half) {
            for (int k = 0; k < half; ++k) {
              const float2 t = ${power(powers, "k * (512 / half)")};
              const int p = base + k;
              ${butterfly}
            }
          }`
        : `
          for (int k = 0; k < half; ++k) {
            const float2 t = ${power(powers, "k * (512 / half)")};
            for (int p = k; p < 1024; p += 2 * half) {
              ${butterfly}
            }
          }`;
    const pairs = first === "pairs";
    const start =
      method === "frequency"
        ? "for (int i = 0; i < 1024; ++i) out[i] = in[i];"
        : pairs
          ? `for (int i = 0; i < 512; ++i) {\nconst int p = ${turned} & ~1;\nconst float2 a = in[i], b = in[i + 512];\nout[p] = add(a, b);\nout[p + 1] = sub(a, b);\n}`
          : `for (int i = 0; i < 1024; ++i) out[${turned}] = in[i];`;
    const end = on(
      method === "frequency",
      `for (int i = 0; i < 1024; ++i) {
        const int j = ${turned};
        if (i < j) {
          const float2 kept = out[i];
          out[i] = out[j];
          out[j] = kept;
        }
      }`,
    );
    const stages =
      method === "frequency"
        ? "for (int half = 512; half > 0; half >>= 1) {"
        : `for (int half = ${pairs ? 2 : 1}; half < 1024; half <<= 1) {`;
    const source = `${complexHelpers}
      ${powerFunction(powers)}
      extern "C" __global__ void transform_rows(const float2*${mark} x, float2*${mark} y${tableParameter(powers)}, int rows) {
        const int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) return;
        const float2* in = x + (size_t)row * 1024;
        float2* out = y + (size_t)row * 1024;
        ${start}
        ${stages}
          ${walk}
        }
        ${end}
      }`;
    return styled(
      {
        source,
        launches: [
          launch("transform_rows", Math.ceil(rows / block), block, ["x", "y", ...tableArgument(powers), { i32: rows }]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Columns of 32 points in one launch, rows of 32 points in the next. */
export const twoLaunches: Template = template({
  id: "two-launches",
  from: "stage-launches",
  idea: "Split 1024 into 32 times 32: transform columns in registers, store to scratch, transform the rows.",
  options: {
    between: ["columns", "rows"],
    powers: ["sincospif", "table", "__sincosf", "__ldg", "sincosf"],
    turn: ["each", "running"],
    reads: ["plain", "vector", "__ldcs"],
    store: ["plain", "__stcs"],
    map: ["lanes", "grid"],
    order: ["natural", "halves"],
    block: [128, 64, 256],
  },
  valid: ({ between, reads }) => reads !== "vector" || between === "rows",
  count: 28,
  write: ({ between, powers, turn, reads, store, map, order, block }, { rows = 0 }) => {
    const byRows = between === "rows";
    const place =
      map === "lanes"
        ? "const int id = blockIdx.x * blockDim.x + threadIdx.x;\nconst int lane = id & 31;\nconst size_t base = (size_t)(id >> 5) << 10;"
        : "const int lane = threadIdx.x;\nconst size_t base = ((size_t)blockIdx.x * blockDim.y + threadIdx.y) * 1024;";
    const turned =
      turn === "each"
        ? `#pragma unroll\nfor (int k = 1; k < 32; ++k) v[k] = mul(v[k], ${power(powers, "lane * k")});`
        : `
          // The powers follow from one another; every eighth is taken afresh.
          const float2 one = ${power(powers, "lane")};
          float2 now = one;
          #pragma unroll
          for (int k = 1; k < 32; ++k) {
            if (k % 8 == 0) now = ${power(powers, "lane * k")};
            v[k] = mul(v[k], now);
            now = mul(now, one);
          }`;
    const put = (target: string, value: string): string =>
      store === "plain" ? `${target} = ${value};` : `__stcs(&${target}, ${value});`;
    const get = (from: string): string => (reads === "__ldcs" ? `__ldcs(&${from})` : from);
    const middle = byRows ? "middle[base + k * 32 + lane]" : "middle[base + lane * 32 + k]";
    const fetch =
      reads === "vector"
        ? `#pragma unroll\nfor (int l = 0; l < 32; l += 2) {\nconst float4 two = *reinterpret_cast<const float4*>(middle + base + lane * 32 + l);\nv[l] = make_float2(two.x, two.y);\nv[l + 1] = make_float2(two.z, two.w);\n}`
        : `#pragma unroll\nfor (int l = 0; l < 32; ++l) v[l] = ${get(byRows ? "middle[base + lane * 32 + l]" : "middle[base + l * 32 + lane]")};`;
    const last = (k: string): string => put(`y[base + lane + 32 * ${k}]`, `v[${k}]`);
    const ends =
      order === "natural"
        ? `#pragma unroll\nfor (int k = 0; k < 32; ++k) ${last("k")}`
        : `#pragma unroll\nfor (int k = 0; k < 16; ++k) {\n${last("k")}\n${last("(k + 16)").replace("v[(k + 16)]", "v[k + 16]")}\n}`;
    const source = `${complexHelpers}
      ${smallTransforms(32)}

      ${powerFunction(powers)}
      extern "C" __global__ void column_part(const float2* __restrict__ x, float2* __restrict__ middle${tableParameter(powers)}) {
        ${place}
        float2 v[32];
        #pragma unroll
        for (int q = 0; q < 32; ++q) v[q] = x[base + lane + 32 * q];
        fft_32(v);
        ${turned}
        #pragma unroll
        for (int k = 0; k < 32; ++k) ${middle} = v[k];
      }

      extern "C" __global__ void row_part(const float2* __restrict__ middle, float2* __restrict__ y) {
        ${place}
        float2 v[32];
        ${fetch}
        fft_32(v);
        ${ends}
      }`;
    const grid = (rows * 32) / block;
    const threads = map === "lanes" ? block : ([32, block / 32] as const);
    const table = fromTable(powers) ? ["w"] : [];
    const launches = [
      launch("column_part", grid, threads, ["x", "scratch", ...table]),
      launch("row_part", grid, threads, ["scratch", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
