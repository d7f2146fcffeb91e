import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  applyText,
  directionText,
  elementText,
  formOptions,
  hyper,
  lanes,
  momentsText,
  read,
  vectorText,
  vectorType,
  write,
} from "./fragments.ts";

/** A ring of asynchronous copies in shared memory. */
export const asyncRing: Template = template({
  id: "async-ring",
  from: "resident-prefetch",
  idea: "Copy the next vectors into shared memory asynchronously, several steps ahead.",
  options: {
    stages: [2, 3, 4],
    block: [256, 128, 512],
    perSm: [2, 1, 4],
    layout: ["array-major", "thread-major"],
    bytes: [16, 8, 4],
    staged: ["all", "states", "gradient"],
    hyper: ["arguments", "constexpr", "powf"],
    streamed: [false, true],
    slot: ["modulo", "compare"],
    ...formOptions,
  },
  valid: ({ stages, block, perSm }) => stages * block * perSm * 64 <= 200_000,
  count: 23,
  write: ({ stages, block, perSm, layout, bytes, staged, streamed, slot, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const names = { all: ["p", "m", "v", "g"], states: ["m", "v"], gradient: ["g"] }[staged];
    const source: Readonly<Record<string, string>> = { p: "param", m: "m_in", v: "v_in", g: "grad" };
    const hint = streamed ? "stores" : "plain";
    const cell = (name: string, at: string): string =>
      layout === "array-major"
        ? `ring[(${at} * ARRAYS + ${names.indexOf(name)}) * BLOCK + threadIdx.x]`
        : `ring[(${at} * BLOCK + threadIdx.x) * ARRAYS + ${names.indexOf(name)}]`;
    const copy = (name: string): string => {
      const [to, from] = [`&${cell(name, "place")}`, `${source[name]} + i`];
      if (bytes === 16) return `__pipeline_memcpy_async(${to}, ${from}, 16);`;
      const type = bytes === 8 ? "float2" : "float";
      return `
        #pragma unroll
        for (int part = 0; part < ${16 / bytes}; ++part)
          __pipeline_memcpy_async((${type}*)(${to}) + part, (const ${type}*)(${from}) + part, ${bytes});`;
    };
    const value = (name: string): string => (names.includes(name) ? cell(name, "slot") : `${source[name]}[i]`);
    const text = `
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define STAGES ${stages}
      #define ARRAYS ${names.length}
      ${prelude}

      extern "C" __global__ void __launch_bounds__(BLOCK) ring_step(float4* param, float4* m_in, float4* v_in, const float4* grad, int tiles${parameters}) {
        extern __shared__ float4 ring[];
        ${locals}
        auto fetch = [&](int tile, int place) {
          const int i = tile * BLOCK + threadIdx.x;
          ${names.map(copy).join("\n")}
        };
        for (int s = 0; s < STAGES - 1; ++s) {
          const int tile = blockIdx.x + s * gridDim.x;
          if (tile < tiles) fetch(tile, s);
          __pipeline_commit();
        }
        int slot = 0;
        for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
          const int later = tile + (STAGES - 1) * gridDim.x;
          if (later < tiles) fetch(later, (slot + STAGES - 1) % STAGES);
          __pipeline_commit();
          __pipeline_wait_prior(STAGES - 1);
          const int i = tile * BLOCK + threadIdx.x;
          ${["p", "m", "v", "g"].map((name) => `float4 ${name}4 = ${value(name)};`).join("\n")}
          ${vectorText(elementText(forms), 4, (name) => `${name}4`)}
          ${["p", "m", "v"].map((name) => write(hint, source[name] ?? "", "i", `${name}4`)).join("\n")}
          ${slot === "modulo" ? "slot = (slot + 1) % STAGES;" : "if (++slot == STAGES) slot = 0;"}
        }
      }
    `;
    return styled(
      {
        source: text,
        launches: [
          launch(
            "ring_step",
            132 * perSm,
            block,
            ["param", "m", "v", "grad", { i32: n / 4 / block }, ...args],
            stages * block * names.length * 16,
          ),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Moments in one launch, parameters in the next, slice by slice. */
export const sliced: Template = template({
  id: "two-launch-slices",
  from: "vector-per-thread",
  idea: "Update the moments and the parameters in launches of their own, over slices that stay in the cache.",
  options: {
    slices: [1, 8, 4, 16, 2],
    order: ["slice-by-slice", "moments-first"],
    width: [4, 1, 2],
    weights: ["scalar-grid", "same", "stride"],
    hyper: ["arguments", "powf", "defines"],
    hint: ["plain", "grad-nc", "stores", "cg"],
    restrict: [false, true],
    block: [256, 128, 512],
    ...formOptions,
  },
  count: 22,
  write: ({ slices, order, width, weights, hint, restrict, block, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const type = vectorType(width);
    const r = on(restrict, "__restrict__ ");
    const own = weights === "scalar-grid" ? 1 : width;
    const ownType = vectorType(own);
    const per = n / slices;
    const name = (part: string): string => `${part}_new`;
    const moments = `
      const ${type} g_new = ${read(hint, "grad", "i")};
      ${type} m_new = m[i];
      ${type} v_new = v[i];
      ${vectorText(momentsText(forms.hyper, forms.moments), width, name)}
      m[i] = m_new;
      v[i] = v_new;`;
    const apply = `
      ${ownType} p_new = param[i];
      const ${ownType} m_new = m[i];
      const ${ownType} v_new = v[i];
      ${vectorText(applyText(forms.hyper, forms.decay, directionText(forms.hyper, forms.step)), own, name)}
      ${write(hint, "param", "i", "p_new")}`;
    const stride = weights === "stride";
    const source = `
      ${prelude}

      extern "C" __global__ void moments_step(${type}* ${r}m, ${type}* ${r}v, const ${type}* ${r}grad, int offset${parameters}) {
        ${locals}
        const int i = offset + blockIdx.x * blockDim.x + threadIdx.x;
        ${moments}
      }

      extern "C" __global__ void weights_step(${ownType}* ${r}param, const ${ownType}* ${r}m, const ${ownType}* ${r}v, int offset, int end${parameters}) {
        ${locals}
        ${stride ? "for (int i = offset + blockIdx.x * blockDim.x + threadIdx.x; i < end; i += gridDim.x * blockDim.x) {" : "const int i = offset + blockIdx.x * blockDim.x + threadIdx.x;\nif (i < end) {"}
          ${apply}
        }
      }
    `;
    const first = (slice: number) =>
      launch("moments_step", per / width / block, block, ["m", "v", "grad", { i32: (slice * per) / width }, ...args]);
    const second = (slice: number) =>
      launch("weights_step", stride ? 132 * 4 : per / own / block, block, [
        "param",
        "m",
        "v",
        { i32: (slice * per) / own },
        { i32: ((slice + 1) * per) / own },
        ...args,
      ]);
    const all = Array.from({ length: slices }, (_, slice) => slice);
    const launches =
      order === "moments-first"
        ? [...all.map(first), ...all.map(second)]
        : all.flatMap((slice) => [first(slice), second(slice)]);
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** The direction of the step goes through scratch. */
export const direction: Template = template({
  id: "stored-direction",
  from: "two-launch-slices",
  idea: "Store the step's direction and subtract it in a second launch that never reads the moments.",
  options: {
    width: [4, 1, 2],
    second: ["forwards", "backwards", "stride"],
    stored: ["direction", "whole-step", "root"],
    hyper: ["powf", "arguments", "constexpr"],
    hint: ["plain", "stream", "stores", "cg"],
    fresh: ["plain", "cg"],
    block: [256, 128, 512],
    moments: formOptions.moments,
    step: ["plain", "fdividef", "split-root"],
  },
  count: 22,
  write: ({ width, second, stored, hint, fresh, block, ...chosen }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(chosen.hyper);
    const type = vectorType(width);
    const name = (part: string): string => `${part}0`;
    const whole = stored === "whole-step";
    const kept = {
      direction: directionText(chosen.hyper, chosen.step),
      "whole-step": `${directionText(chosen.hyper, chosen.step)} + rate * decay * p`,
      root: "sqrtf(v * inv2) + epsilon",
    }[stored];
    const parts = width === 1 ? [""] : lanes(width).map((lane) => `.${lane}`);
    const store = vectorText(kept, width, name).split("\n");
    const use = {
      direction: (part: string) => `w${part} = w${part} * (1.0f - rate * decay) - d${part};`,
      "whole-step": (part: string) => `w${part} -= d${part};`,
      root: (part: string) => `w${part} = w${part} * (1.0f - rate * decay) - rate * inv1 * m0${part} / d${part};`,
    }[stored];
    const body = `
      ${type} w = param[i];
      const ${type} d = ${read(fresh, "scratch", "i")};
      ${on(stored === "root", `const ${type} m0 = m[i];`)}
      ${parts.map(use).join("\n")}
      ${write(hint, "param", "i", "w")}`;
    const walk = {
      forwards: `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${body}`,
      backwards: `const int i = (gridDim.x - 1 - blockIdx.x) * blockDim.x + threadIdx.x;\n${body}`,
      stride: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {\n${body}\n}`,
    }[second];
    const vectors = n / width;
    const source = `
      ${prelude}

      extern "C" __global__ void find_direction(const ${type}* param, ${type}* m, ${type}* v, const ${type}* __restrict__ grad, ${type}* scratch${parameters}) {
        ${locals}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(whole, `const ${type} p0 = param[i];`)}
        const ${type} g0 = ${read(hint, "grad", "i")};
        ${type} m0 = ${read(hint, "m", "i")};
        ${type} v0 = ${read(hint, "v", "i")};
        ${vectorText(momentsText(chosen.hyper, chosen.moments), width, name)}
        ${type} d0;
        ${parts.map((part, index) => `d0${part} = ${store[index]};`).join("\n")}
        ${write(hint, "m", "i", "m0")}
        ${write(hint, "v", "i", "v0")}
        scratch[i] = d0;
      }

      extern "C" __global__ void move_weights(${type}* param, const ${type}* m, const ${type}* scratch, int count${parameters}) {
        ${locals}
        ${walk}
      }
    `;
    const launches = [
      launch("find_direction", vectors / block, block, ["param", "m", "v", "grad", "scratch", ...args]),
      launch("move_weights", second === "stride" ? 132 * 8 : vectors / block, block, [
        "param",
        "m",
        "scratch",
        { i32: vectors },
        ...args,
      ]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const tableNames = ["rate", "beta1", "beta2", "epsilon", "decay", "inv1", "inv2"];

/** The hyper-parameters are prepared by a launch of one thread. */
export const table: Template = template({
  id: "prepared-table",
  from: "grid-stride",
  idea: "Prepare the corrected hyper-parameters in a tiny launch and read them from a table.",
  options: {
    reading: ["global", "nc", "shared", "per-element", "vectors"],
    power: ["powf", "pow", "loop"],
    width: [1, 4, 2],
    walk: ["element", "stride"],
    hint: ["plain", "grad-nc", "stream", "stores"],
    block: [256, 128, 512],
    perSm: [8, 4, 2],
    ...formOptions,
  },
  valid: ({ block, perSm }) => block * perSm <= 2048,
  count: 24,
  write: ({ reading, power, width, walk, hint, block, perSm, ...forms }, { n = 0 }) => {
    const type = vectorType(width);
    const powers = {
      powf: "const float left1 = powf(0.9f, (float)step), left2 = powf(0.999f, (float)step);",
      pow: "const double left1 = pow(0.9, (double)step), left2 = pow(0.999, (double)step);",
      loop: "float left1 = 1.0f, left2 = 1.0f;\nwhile (step-- > 0) {\nleft1 *= 0.9f;\nleft2 *= 0.999f;\n}",
    }[power];
    const one = power === "pow" ? "1.0" : "1.0f";
    const declare = (value: (index: number) => string): string =>
      repeat(tableNames.length, (index) => `const float ${tableNames[index]} = ${value(index)};`);
    const locals = {
      global: declare((index) => `table[${index}]`),
      nc: declare((index) => `__ldg(table + ${index})`),
      shared: `__shared__ float shared_table[8];\nif (threadIdx.x < 7) shared_table[threadIdx.x] = table[threadIdx.x];\n__syncthreads();\n${declare((index) => `shared_table[${index}]`)}`,
      "per-element": "",
      vectors: `const float4 head = ((const float4*)table)[0];\nconst float4 tail = ((const float4*)table)[1];\n${declare((index) => (index < 4 ? `head.${lanes(4)[index]}` : `tail.${lanes(4)[index - 4]}`))}`,
    }[reading];
    const body = `
      ${on(
        reading === "per-element",
        declare((index) => `((const volatile float*)table)[${index}]`),
      )}
      ${type} p_now = ${read(hint, "param", "i")};
      ${type} m_now = ${read(hint, "m_state", "i")};
      ${type} v_now = ${read(hint, "v_state", "i")};
      const ${type} g_now = ${read(hint, "grad", "i")};
      ${vectorText(elementText({ hyper: "constexpr", ...forms }), width, (part) => `${part}_now`)}
      ${write(hint, "m_state", "i", "m_now")}
      ${write(hint, "v_state", "i", "v_now")}
      ${write(hint, "param", "i", "p_now")}`;
    const source = `
      extern "C" __global__ void prepare_table(float* table, int step) {
        ${powers}
        table[0] = 0.01f;
        table[1] = 0.9f;
        table[2] = 0.999f;
        table[3] = 0.001f;
        table[4] = 0.1f;
        table[5] = (float)(${one} / (${one} - left1));
        table[6] = (float)(${one} / (${one} - left2));
      }

      extern "C" __global__ void table_step(${type}* param, ${type}* m_state, ${type}* v_state, const ${type}* grad, const float* __restrict__ table, int count) {
        ${locals}
        ${walk === "stride" ? "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {" : "const int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i < count) {"}
          ${body}
        }
      }
    `;
    const count = n / width;
    return styled(
      {
        source,
        launches: [
          launch("prepare_table", 1, 1, ["table", { i32: 10 }]),
          launch("table_step", walk === "stride" ? 132 * perSm : count / block, block, [
            "param",
            "m",
            "v",
            "grad",
            "table",
            { i32: count },
          ]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
