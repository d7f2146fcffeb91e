import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  complexHelpers,
  power,
  powerFunction,
  smallTransforms,
  tableArgument,
  tableParameter,
  type Powers,
} from "./parts.ts";

interface Exchange {
  readonly layout: "pairs" | "planes" | "one-plane";
  readonly skew: "none" | "sixteenth" | "thirty-second";
  readonly slot: string;
}

/** The statements that write the array to shared memory at `put(q)` and read it back from `get(q)`. */
function exchange({ layout, skew, slot }: Exchange, count: string, put: string, get: string): string {
  const place = (index: string): string => (skew === "none" ? `${slot}${index}` : `${slot}skewed(${index})`);
  const loop = (body: string): string => `#pragma unroll\nfor (int e = 0; e < ${count}; ++e) ${body}`;
  if (layout === "pairs")
    return `${loop(`shared_pairs[${place(put)}] = v[e];`)}\n__syncthreads();\n${loop(`v[e] = shared_pairs[${place(get)}];`)}\n__syncthreads();`;
  if (layout === "planes")
    return `${loop(`{\nshared_re[${place(put)}] = v[e].x;\nshared_im[${place(put)}] = v[e].y;\n}`)}\n__syncthreads();\n${loop(`v[e] = make_float2(shared_re[${place(get)}], shared_im[${place(get)}]);`)}\n__syncthreads();`;
  return ["x", "y"]
    .map(
      (part) =>
        `${loop(`shared_plane[${place(put)}] = v[e].${part};`)}\n__syncthreads();\n${loop(`v[e].${part} = shared_plane[${place(get)}];`)}\n__syncthreads();`,
    )
    .join("\n");
}

function exchangeArrays({ layout, skew }: Exchange, rowsPer: number): string {
  const length = rowsPer * (skew === "none" ? 1024 : skew === "sixteenth" ? 1088 : 1056);
  if (layout === "pairs") return `__shared__ float2 shared_pairs[${length}];`;
  if (layout === "planes") return `__shared__ float shared_re[${length}], shared_im[${length}];`;
  return `__shared__ float shared_plane[${length}];`;
}

const skewFunction = (skew: Exchange["skew"]): string =>
  skew === "none"
    ? ""
    : `__device__ __forceinline__ int skewed(int i) {\nreturn i + i / ${skew === "sixteenth" ? 16 : 32};\n}\n`;

/**
 * The passes of one row in registers: `factors` are their radices, `values` the points per thread. Element e of
 * the array is point q of butterfly b with e = b * radix + q; butterfly b of thread t has number t + b * threads.
 */
function passes(
  factors: readonly number[],
  values: number,
  powers: Powers,
  turn: "each" | "chain",
  way: Exchange,
): string {
  const threads = 1024 / values;
  let done = 1;
  return factors
    .map((radix, index) => {
      const butterflies = values / radix;
      const j = (b: number): string => (b === 0 ? "t" : `(t + ${b * threads})`);
      const body = repeat(butterflies, (b) => {
        const k = done === 1 ? "0" : `(${j(b)} & ${done - 1})`;
        const scale = 1024 / (done * radix);
        const turns =
          turn === "each"
            ? repeat(
                radix - 1,
                (q) =>
                  `v[${b * radix + q + 1}] = mul(v[${b * radix + q + 1}], ${power(powers, `${k} * ${scale * (q + 1)}`)});`,
              )
            : `{
                const float2 one = ${power(powers, `${k} * ${scale}`)};
                float2 turn = one;
                #pragma unroll
                for (int q = 1; q < ${radix}; ++q) {
                  v[${b * radix} + q] = mul(v[${b * radix} + q], turn);
                  turn = mul(turn, one);
                }
              }`;
        return `${on(done > 1, turns)}\nfft_${radix}(v${on(b > 0, ` + ${b * radix}`)});`;
      });
      const before = done;
      done *= radix;
      if (index === factors.length - 1) return body;
      const next = factors[index + 1] ?? 1;
      const number = `(t + e / ${radix} * ${threads})`;
      const target =
        before === 1
          ? `(${number} * ${radix} + e % ${radix})`
          : `((${number} & ~${before - 1}) * ${radix} + (${number} & ${before - 1}) + e % ${radix} * ${before})`;
      const origin = `(t + e / ${next} * ${threads} + e % ${next} * ${1024 / next})`;
      return `${body}\n${exchange(way, String(values), target, origin)}`;
    })
    .join("\n");
}

const edge = (radix: number, values: number): string =>
  `t + e / ${radix} * ${1024 / values} + e % ${radix} * ${1024 / radix}`;

const plans: Record<string, { readonly factors: readonly number[]; readonly values: number }> = {
  "4x5": { factors: [4, 4, 4, 4, 4], values: 4 },
  "8-8-4-4": { factors: [8, 8, 4, 4], values: 8 },
  "2-8-8-8": { factors: [2, 8, 8, 8], values: 8 },
  "16-16-4": { factors: [16, 16, 4], values: 16 },
  "8-16-8": { factors: [8, 16, 8], values: 16 },
  "32-32": { factors: [32, 32], values: 32 },
  "4x5-by-16": { factors: [4, 4, 4, 4, 4], values: 16 },
};

/** Passes in registers with exchanges through shared memory. */
export const registerPasses: Template = template({
  id: "register-passes",
  from: "shared-passes",
  idea: "Keep several points per thread in registers and use shared memory only to exchange them between passes.",
  options: {
    plan: ["4x5", "8-8-4-4", "16-16-4", "8-16-8", "32-32", "2-8-8-8", "4x5-by-16"],
    powers: ["table", "sincospif", "__sincosf", "__ldg", "sincosf"],
    turn: ["each", "chain"],
    layout: ["pairs", "planes", "one-plane"],
    skew: ["none", "sixteenth", "thirty-second"],
    bounds: [false, true],
    store: ["plain", "__stcs"],
    rows: [1, 2, 4],
  },
  valid: ({ plan, rows, layout }) => {
    const threads = 1024 / (plans[plan]?.values ?? 4);
    return threads * rows <= 512 && threads * rows >= 64 && (layout !== "pairs" || rows < 4);
  },
  count: 40,
  write: ({ plan, powers, turn, layout, skew, bounds, store, rows: rowsPer }, { rows = 0 }) => {
    const { factors, values } = plans[plan] ?? { factors: [4, 4, 4, 4, 4], values: 4 };
    const threads = 1024 / values;
    const length = skew === "none" ? 1024 : skew === "sixteenth" ? 1088 : 1056;
    const many = rowsPer > 1;
    const way: Exchange = { layout, skew, slot: many ? `threadIdx.y * ${length} + ` : "" };
    const [first = 4] = factors;
    const last = factors[factors.length - 1] ?? 4;
    const target = `out[${edge(last, values)}]`;
    const source = `
      ${complexHelpers}
      ${smallTransforms(Math.max(...factors))}

      ${powerFunction(powers)}
      ${skewFunction(skew)}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${threads * rowsPer}) `)}fft_1024(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers)}) {
        ${exchangeArrays(way, rowsPer)}
        const int t = threadIdx.x;
        const size_t row = ${many ? `(size_t)blockIdx.x * ${rowsPer} + threadIdx.y` : "blockIdx.x"};
        const float2* in = x + row * 1024;
        float2* out = y + row * 1024;
        float2 v[${values}];
        #pragma unroll
        for (int e = 0; e < ${values}; ++e) v[e] = in[${edge(first, values)}];
        ${passes(factors, values, powers, turn, way)}
        #pragma unroll
        for (int e = 0; e < ${values}; ++e) ${store === "plain" ? `${target} = v[e];` : `__stcs(&${target}, v[e]);`}
      }`;
    const block = many ? ([threads, rowsPer] as const) : threads;
    return styled(
      { source, launches: [launch("fft_1024", rows / rowsPer, block, ["x", "y", ...tableArgument(powers)])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A resident grid walks over the rows while the next rows are on their way. */
export const rowWalk: Template = template({
  id: "row-walk",
  from: "register-passes",
  idea: "Keep blocks resident and bring the next row while the current one is transformed.",
  options: {
    ahead: ["registers", "async", "none"],
    plan: ["8-8-4-4", "4x5", "16-16-4", "2-8-8-8"],
    powers: ["table", "sincospif", "__sincosf", "shared"],
    turn: ["each", "chain"],
    layout: ["pairs", "planes", "one-plane"],
    skew: ["none", "sixteenth"],
    share: ["strided", "contiguous"],
    perSm: [8, 4, 2],
  },
  valid: ({ ahead, layout }) => ahead !== "async" || layout !== "one-plane",
  count: 26,
  write: ({ ahead, plan, powers: chosen, turn, layout, skew, share, perSm }, { rows = 0 }) => {
    const { factors, values } = plans[plan] ?? { factors: [4, 4, 4, 4, 4], values: 4 };
    const threads = 1024 / values;
    const way: Exchange = { layout, skew, slot: "" };
    const shared = chosen === "shared";
    const powers: Powers = shared ? "table" : chosen;
    const [first = 4] = factors;
    const last = factors[factors.length - 1] ?? 4;
    const blocks = 132 * perSm;
    const strided = share === "strided";
    const following = strided ? "row + gridDim.x" : "row + 1";
    const each = (body: string): string => `#pragma unroll\nfor (int e = 0; e < ${values}; ++e) ${body}`;
    const fetch = `
      for (int i = threadIdx.x; i < 512; i += ${threads})
        __pipeline_memcpy_async(&arriving[2 * i], x + (size_t)(ROW) * 1024 + 2 * i, 16);
      __pipeline_commit();`;
    const starts = {
      registers: `float2 next[${values}];\nif (row < end) {\n${each(`next[e] = x[(size_t)row * 1024 + ${edge(first, values)}];`)}\n}`,
      async: `if (row < end) {\n${fetch.replace("ROW", "row")}\n}`,
      none: "",
    };
    const takes = {
      registers: `
        ${each("v[e] = next[e];")}
        if (${following} < end) {
          ${each(`next[e] = x[(size_t)(${following}) * 1024 + ${edge(first, values)}];`)}
        }`,
      async: `
        __pipeline_wait_prior(0);
        __syncthreads();
        ${each(`v[e] = arriving[${edge(first, values)}];`)}
        __syncthreads();
        if (${following} < end) {
          ${fetch.replace("ROW", following)}
        }`,
      none: each(`v[e] = x[(size_t)row * 1024 + ${edge(first, values)}];`),
    };
    const body = passes(factors, values, powers, turn, way);
    const part = Math.ceil(rows / blocks);
    const source = `
      ${on(ahead === "async", "#include <cuda_pipeline.h>\n")}
      ${complexHelpers}
      ${smallTransforms(Math.max(...factors))}

      ${powerFunction(powers)}
      ${skewFunction(skew)}
      extern "C" __global__ void __launch_bounds__(${threads}) walk_rows(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers).replace("w", shared ? "roots" : "w")}, int rows) {
        ${exchangeArrays(way, 1)}
        ${on(ahead === "async", "__shared__ __align__(16) float2 arriving[1024];")}
        ${on(shared, `__shared__ float2 w[1024];\nfor (int i = threadIdx.x; i < 1024; i += ${threads}) w[i] = roots[i];\n__syncthreads();`)}
        const int t = threadIdx.x;
        ${strided ? "int row = blockIdx.x;\nconst int end = rows;" : `int row = blockIdx.x * ${part};\nconst int end = min(row + ${part}, rows);`}
        ${starts[ahead]}
        for (; row < end; row ${strided ? "+= gridDim.x" : "++"}) {
          float2 v[${values}];
          ${takes[ahead]}
          ${body}
          ${each(`y[(size_t)row * 1024 + ${edge(last, values)}] = v[e];`)}
        }
      }`;
    return styled(
      { source, launches: [launch("walk_rows", blocks, threads, ["x", "y", ...tableArgument(powers), { i32: rows }])] },
      { names: "camel", indent: 4 },
    );
  },
});
