import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { complexHelpers, power, powerFunction, smallTransforms, tableArgument, tableParameter } from "./parts.ts";

/** The classic radix-2 transform in place in shared memory. */
export const sharedStages: Template = template({
  id: "shared-stages",
  from: "stage-launches",
  idea: "Keep a row in shared memory for all ten stages.",
  options: {
    method: ["time", "frequency"],
    powers: ["table", "shared", "sincospif", "__sincosf", "sincosf", "__ldg"],
    layout: ["pairs", "planes"],
    reversal: ["load", "brev-gather"],
    stages: ["loop", "unrolled", "warp-first"],
    rows: [1, 2, 4],
    threads: [256, 512, 128],
  },
  valid: ({ rows, threads, stages, method, reversal }) =>
    rows * threads <= 1024 &&
    (stages !== "warp-first" || method === "time") &&
    (method === "time" || reversal === "load"),
  count: 32,
  write: ({ method, powers, layout, reversal, stages, rows: rowsPer, threads }, { rows = 0 }) => {
    const planes = layout === "planes";
    const kept = powers === "shared";
    const source0 = kept ? "table" : powers;
    const many = rowsPer > 1;
    const slot = many ? "[threadIdx.y]" : "";
    const get = (p: string): string =>
      planes ? `make_float2(re${slot}[${p}], im${slot}[${p}])` : `points${slot}[${p}]`;
    const put = (p: string, value: string): string =>
      planes
        ? `{\nconst float2 z = ${value};\nre${slot}[${p}] = z.x;\nim${slot}[${p}] = z.y;\n}`
        : `points${slot}[${p}] = ${value};`;
    const root = kept ? "powers[k * (512 / half)]" : power(source0, "k * (512 / half)");
    const step = `
      for (int j = threadIdx.x; j < 512; j += THREADS) {
        const int k = j & (half - 1);
        const int p = 2 * j - k;
        const float2 t = ${root};
        ${
          method === "time"
            ? `const float2 a = ${get("p")}, b = mul(${get("p + half")}, t);\n${put("p", "add(a, b)")}\n${put("p + half", "sub(a, b)")}`
            : `const float2 a = ${get("p")}, b = ${get("p + half")};\n${put("p", "add(a, b)")}\n${put("p + half", "mul(sub(a, b), t)")}`
        }
      }`;
    const head =
      method === "time" ? "for (int half = 1; half < 1024; half *= 2)" : "for (int half = 512; half >= 1; half /= 2)";
    const loops = {
      loop: `${head} {\n${step}\n__syncthreads();\n}`,
      unrolled: `#pragma unroll\n${head} {\n${step}\n__syncthreads();\n}`,
      // A warp owns 64 neighbouring points of each share until the halves exceed 32.
      "warp-first": `
        for (int half = 1; half <= 32; half *= 2) {
          ${step}
          __syncwarp();
        }
        __syncthreads();
        for (int half = 64; half < 1024; half *= 2) {
          ${step}
          __syncthreads();
        }`,
    };
    const turned = "(__brev(i) >> 22)";
    const load =
      method === "frequency"
        ? put("i", "in[i]")
        : reversal === "load"
          ? put(turned, "in[i]")
          : put("i", `in[${turned}]`);
    const store = method === "frequency" ? get(turned) : get("i");
    const dimension = many ? `[${rowsPer}]` : "";
    const source = `
      #define THREADS ${threads}

      ${complexHelpers}
      ${kept ? "" : powerFunction(source0)}
      extern "C" __global__ void fft_rows(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(source0)}) {
        ${planes ? `__shared__ float re${dimension}[1024], im${dimension}[1024];` : `__shared__ float2 points${dimension}[1024];`}
        ${on(kept, `__shared__ float2 powers[512];\nfor (int k = threadIdx.x${on(many, " + THREADS * threadIdx.y")}; k < 512; k += THREADS${on(many, ` * ${rowsPer}`)}) powers[k] = w[k];`)}
        const size_t row = ${many ? `(size_t)blockIdx.x * ${rowsPer} + threadIdx.y` : "blockIdx.x"};
        const float2* in = x + row * 1024;
        float2* out = y + row * 1024;
        for (int i = threadIdx.x; i < 1024; i += THREADS) {
          ${load}
        }
        __syncthreads();
        ${loops[stages]}
        for (int i = threadIdx.x; i < 1024; i += THREADS) out[i] = ${store};
      }`;
    const block = many ? ([threads, rowsPer] as const) : threads;
    return styled(
      { source, launches: [launch("fft_rows", rows / rowsPer, block, ["x", "y", ...tableArgument(source0)])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Self-sorting passes between two buffers in shared memory. */
export const sharedPasses: Template = template({
  id: "shared-passes",
  from: "shared-stages",
  idea: "Use passes that sort themselves, between two shared buffers, so that no reordering is needed.",
  options: {
    radix: ["four", "two", "four-two"],
    powers: ["table", "sincospif", "__sincosf", "__ldg", "sincosf"],
    swap: ["pointers", "index"],
    skew: [false, true],
    multiply: ["each", "squares"],
    unroll: [true, false],
    direct: [false, true],
    threads: [256, 128],
  },
  valid: ({ radix, multiply }) => radix !== "two" || multiply === "each",
  count: 32,
  write: ({ radix, powers, swap, skew, multiply, unroll, direct, threads }, { rows = 0 }) => {
    const place = (index: string): string => (skew ? `spread(${index})` : index);
    const pointers = swap === "pointers";
    const from = (index: string): string => `${pointers ? "from" : "buffer[side]"}[${place(index)}]`;
    const to = (index: string): string => `${pointers ? "to" : "buffer[side ^ 1]"}[${place(index)}]`;
    const turns =
      multiply === "each"
        ? repeat(3, (q) => `v[${q + 1}] = mul(v[${q + 1}], ${power(powers, `step * ${q + 1}`)});`)
        : `
          const float2 one = ${power(powers, "step")};
          const float2 two = mul(one, one);
          v[1] = mul(v[1], one);
          v[2] = mul(v[2], two);
          v[3] = mul(v[3], mul(one, two));`;
    const four = (loaded: (index: string) => string): string => `
      for (int j = threadIdx.x; j < 256; j += THREADS) {
        const int k = j & (done - 1);
        const int step = k * (256 / done);
        float2 v[4];
        #pragma unroll
        for (int q = 0; q < 4; ++q) v[q] = ${loaded("j + 256 * q")};
        ${turns}
        fft_4(v);
        const int target = (j - k) * 4 + k;
        #pragma unroll
        for (int q = 0; q < 4; ++q) ${to("target + q * done")} = v[q];
      }`;
    const two = (loaded: (index: string) => string): string => `
      for (int j = threadIdx.x; j < 512; j += THREADS) {
        const int k = j & (done - 1);
        const float2 a = ${loaded("j")};
        const float2 b = mul(${loaded("j + 512")}, ${power(powers, "k * (512 / done)")});
        const int target = 2 * j - k;
        ${to("target")} = add(a, b);
        ${to("target + done")} = sub(a, b);
      }`;
    const flip = pointers ? "float2* kept = from;\nfrom = to;\nto = kept;" : "side ^= 1;";
    const pass = (body: string): string => `${body}\n__syncthreads();\n${flip}`;
    const pragma = on(unroll, "#pragma unroll\n");
    const step = radix === "two" ? two : four;
    const size = radix === "two" ? 2 : 4;
    const input = (index: string): string => `in[${index}]`;
    const first = direct ? `{\nconst int done = 1;\n${pass(step(input))}\n}` : "";
    const start = direct ? size : 1;
    const body =
      radix === "four-two"
        ? `${first}
          ${pragma}for (int done = ${start}; done < 256; done *= 4) {
            ${pass(four(from))}
          }
          for (int done = 256; done < 1024; done *= 2) {
            ${pass(two(from))}
          }`
        : `${first}\n${pragma}for (int done = ${start}; done < 1024; done *= ${size}) {\n${pass(step(from))}\n}`;
    const source = `
      constexpr int THREADS = ${threads};

      ${complexHelpers}
      ${on(radix !== "two", smallTransforms(4))}

      ${powerFunction(powers)}
      ${on(skew, "// One unused place after every sixteen.\n__device__ __forceinline__ int spread(int i) {\nreturn i + (i >> 4);\n}\n")}
      extern "C" __global__ void __launch_bounds__(THREADS) sorted_passes(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers)}) {
        __shared__ float2 buffer[2][${skew ? 1088 : 1024}];
        const float2* in = x + (size_t)blockIdx.x * 1024;
        float2* out = y + (size_t)blockIdx.x * 1024;
        ${pointers ? "float2* from = buffer[0];\nfloat2* to = buffer[1];" : "int side = 0;"}
        ${on(!direct, `for (int i = threadIdx.x; i < 1024; i += THREADS) ${from("i")} = in[i];\n__syncthreads();`)}
        ${body}
        for (int i = threadIdx.x; i < 1024; i += THREADS) out[i] = ${from("i")};
      }`;
    return styled(
      { source, launches: [launch("sorted_passes", rows, threads, ["x", "y", ...tableArgument(powers)])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Dense products with the 32 x 32 transform matrix. */
export const denseProducts: Template = template({
  id: "dense-products",
  from: "shared-stages",
  idea: "Write the 32 by 32 split as two dense products with the transform matrix of 32 points.",
  options: {
    matrix: ["powers", "full", "registers"],
    powers: ["table", "sincospif", "__sincosf", "__ldg"],
    layout: ["pairs", "planes"],
    padding: [false, true],
    unroll: [false, true],
    outputs: ["one", "column"],
    threads: [256, 1024, 512],
  },
  count: 24,
  write: ({ matrix, powers, layout, padding, unroll, outputs, threads }, { rows = 0 }) => {
    const planes = layout === "planes";
    const pitch = padding ? 33 : 32;
    const names = ["first", "second"];
    const get = (name: string, r: string, c: string): string =>
      planes ? `make_float2(${name}_re[${r}][${c}], ${name}_im[${r}][${c}])` : `${name}[${r}][${c}]`;
    const put = (name: string, r: string, c: string, value: string): string =>
      planes
        ? `{\nconst float2 z = ${value};\n${name}_re[${r}][${c}] = z.x;\n${name}_im[${r}][${c}] = z.y;\n}`
        : `${name}[${r}][${c}] = ${value};`;
    const entry = (k: string, l: string): string =>
      ({ powers: `roots[${k} * ${l} % 32]`, full: `roots[${k}][${l}]`, registers: `shuffled(own, ${k} * ${l} % 32)` })[
        matrix
      ];
    const prepare = {
      powers: `__shared__ float2 roots[32];\nif (threadIdx.x < 32) roots[threadIdx.x] = ${power(powers, "threadIdx.x * 32")};`,
      full: `__shared__ float2 roots[32][33];\nfor (int e = threadIdx.x; e < 1024; e += THREADS) roots[e / 32][e % 32] = ${power(powers, "e / 32 * (e % 32) % 32 * 32")};`,
      registers: `const float2 own = ${power(powers, "threadIdx.x % 32 * 32")};`,
    };
    const pragma = on(unroll, "#pragma unroll");
    const sum = (k: string, name: string, cell: (l: string) => readonly [string, string]): string => `
      float2 sum = make_float2(0.0f, 0.0f);
      ${pragma}
      for (int l = 0; l < 32; ++l) {
        const float2 z = ${get(name, ...cell("l"))};
        const float2 t = ${entry(k, "l")};
        sum.x += z.x * t.x - z.y * t.y;
        sum.y += z.x * t.y + z.y * t.x;
      }`;
    const walk = (body: string): string =>
      outputs === "one"
        ? `for (int e = threadIdx.x; e < 1024; e += THREADS) {\nconst int k = e / 32, c = e % 32;\n${body}\n}`
        : `const int c = threadIdx.x % 32;\nfor (int k = threadIdx.x / 32; k < 32; k += THREADS / 32) {\n${body}\n}`;
    const declare = names
      .map((name) =>
        planes
          ? `__shared__ float ${name}_re[32][${pitch}], ${name}_im[32][${pitch}];`
          : `__shared__ float2 ${name}[32][${pitch}];`,
      )
      .join("\n");
    const source = `
      #define THREADS ${threads}

      ${complexHelpers}
      ${powerFunction(powers)}
      ${on(matrix === "registers", "__device__ __forceinline__ float2 shuffled(float2 own, int lane) {\nreturn make_float2(__shfl_sync(0xffffffffu, own.x, lane), __shfl_sync(0xffffffffu, own.y, lane));\n}\n")}
      extern "C" __global__ void dense_fft(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers)}) {
        ${declare}
        ${prepare[matrix]}
        const size_t base = (size_t)blockIdx.x * 1024;
        for (int e = threadIdx.x; e < 1024; e += THREADS) {
          ${put("first", "e / 32", "e % 32", "x[base + e]")}
        }
        __syncthreads();
        {
          ${walk(`${sum("k", "first", (l) => [l, "c"])}\n${put("second", "k", "c", `mul(sum, ${power(powers, "k * c")})`)}`)}
        }
        __syncthreads();
        {
          // Here c is the low part of the output's index, k the high one.
          ${walk(`${sum("k", "second", (l) => ["c", l])}\ny[base + k * 32 + c] = sum;`)}
        }
      }`;
    return styled(
      { source, launches: [launch("dense_fft", rows, threads, ["x", "y", ...tableArgument(powers)])] },
      { names: "snake", indent: 4 },
    );
  },
});
