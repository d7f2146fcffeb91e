import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { elementText, formOptions, hyper, lanes, read, vectorText, vectorType, write, type Hint } from "./fragments.ts";

const arrays = ["p", "m", "v", "g"] as const;
const pointer: Readonly<Record<string, string>> = { p: "params", m: "first", v: "second", g: "grad" };

const loadAll = (hint: Hint, type: string, index: string): string =>
  arrays.map((name) => `${type} ${name}4 = ${read(hint, pointer[name] ?? "", index)};`).join("\n");

const storeAll = (hint: Hint, index: string): string =>
  arrays
    .slice(0, 3)
    .map((name) => write(hint, pointer[name] ?? "", index, `${name}4`))
    .join("\n");

function bodyText(style: "inline" | "lambda", element: string, width: number): string {
  if (style === "inline" || width === 1) return vectorText(element, width, (name) => `${name}4`);
  return lanes(width)
    .map((lane) => `one(${arrays.map((name) => `${name}4.${lane}`).join(", ")});`)
    .join("\n");
}

const lambda = (element: string): string => `
  auto one = [&](float& p, float& m, float& v, float g) {
    ${element}
  };`;

const signature = (name: string, type: string, extra: string, bounds = ""): string =>
  `extern "C" __global__ void ${bounds}${name}(${type}* __restrict__ params, ${type}* __restrict__ first, ${type}* __restrict__ second,
    const ${type}* __restrict__ grad${extra})`;

/** One vector of two or four parameters per thread. */
export const vectorThread: Template = template({
  id: "vector-per-thread",
  from: "element-per-thread",
  idea: "Move two or four neighbouring parameters with one access.",
  options: {
    width: [2, 4],
    style: ["inline", "lambda"],
    hyper: ["powf", "arguments", "defines", "double-pow"],
    hint: ["plain", "grad-nc", "stream", "stores", "cg"],
    guard: [true, false],
    cast: [false, true],
    block: [256, 128, 512, 1024, 64],
    bounded: [false, true],
    ...formOptions,
  },
  count: 25,
  write: ({ width, style, hint, guard, cast, block, bounded, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const element = elementText(forms);
    const type = vectorType(width);
    const bounds = on(bounded, `__launch_bounds__(${block}) `);
    const count = on(guard, ", int vectors");
    const head = cast
      ? `extern "C" __global__ void ${bounds}adamw_vector(float* param, float* m_state, float* v_state, const float* gradient${count}${parameters})`
      : signature("adamw_vector", type, count + parameters, bounds);
    const casts = `
      ${type}* params = reinterpret_cast<${type}*>(param);
      ${type}* first = reinterpret_cast<${type}*>(m_state);
      ${type}* second = reinterpret_cast<${type}*>(v_state);
      const ${type}* grad = reinterpret_cast<const ${type}*>(gradient);`;
    const source = `
      ${prelude}

      ${head} {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(guard, "if (i >= vectors) return;")}
        ${on(cast, casts)}
        ${locals}
        ${on(style === "lambda", lambda(element))}
        ${loadAll(hint, type, "i")}
        ${bodyText(style, element, width)}
        ${storeAll(hint, "i")}
      }
    `;
    const vectors = n / width;
    const counts = guard ? [{ i32: vectors }] : [];
    return styled(
      {
        source,
        launches: [launch("adamw_vector", vectors / block, block, ["param", "m", "v", "grad", ...counts, ...args])],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** Several vectors per thread, their loads issued together. */
export const vectorBatch: Template = template({
  id: "vector-batch",
  from: "vector-per-thread",
  idea: "Issue the loads of several vectors before the first arithmetic.",
  options: {
    items: [2, 4, 8],
    width: [4, 2],
    place: ["block-stride", "adjacent", "grid-stride"],
    loads: ["by-item", "by-array", "no-batch"],
    style: ["lambda", "inline"],
    hyper: ["constexpr", "arguments", "powf"],
    hint: ["plain", "stream", "stores", "cg"],
    block: [256, 128, 512],
    ...formOptions,
  },
  count: 26,
  write: ({ items, width, place, loads, style, hint, block, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const element = elementText(forms);
    const type = vectorType(width);
    const index = {
      "block-stride": "blockIdx.x * (THREADS * ITEMS) + k * THREADS + threadIdx.x",
      adjacent: "(blockIdx.x * THREADS + threadIdx.x) * ITEMS + k",
      "grid-stride": "(k * gridDim.x + blockIdx.x) * THREADS + threadIdx.x",
    }[place];
    const loop = (body: string): string => `
      #pragma unroll
      for (int k = 0; k < ITEMS; ++k) {
        const int at = ${index};
        ${body}
      }`;
    const item = `${arrays.map((name) => `${type} ${name}4 = ${name}s[k];`).join("\n")}
      ${bodyText(style, element, width)}
      ${storeAll(hint, "at")}`;
    const fill = arrays.map((name) => `${name}s[k] = ${read(hint, pointer[name] ?? "", "at")};`);
    const batch = `
      ${type} ps[ITEMS], ms[ITEMS], vs[ITEMS], gs[ITEMS];
      ${loads === "by-item" ? loop(fill.join("\n")) : fill.map(loop).join("\n")}
      ${loop(item)}`;
    const source = `
      constexpr int THREADS = ${block};
      constexpr int ITEMS = ${items};
      ${prelude}

      ${signature("adamw_batch", type, parameters, "__launch_bounds__(THREADS) ")} {
        ${locals}
        ${on(style === "lambda", lambda(element))}
        ${loads === "no-batch" ? loop(`${loadAll(hint, type, "at")}\n${bodyText(style, element, width)}\n${storeAll(hint, "at")}`) : batch}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("adamw_batch", n / width / items / block, block, ["param", "m", "v", "grad", ...args])],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** A resident grid whose threads fetch the next vector before they finish the current one. */
export const prefetching: Template = template({
  id: "resident-prefetch",
  from: "vector-batch",
  idea: "Keep a resident grid and fetch the next vector while the current one is updated.",
  options: {
    perSm: [4, 2, 8, 1],
    block: [256, 128, 512],
    ahead: ["one", "gradient-only", "none"],
    order: ["stride", "segment"],
    style: ["inline", "lambda"],
    hyper: ["arguments", "constexpr", "powf", "defines"],
    hint: ["plain", "stream", "stores", "cg"],
    bounded: [false, true],
    ...formOptions,
  },
  valid: ({ perSm, block }) => perSm * block <= 2048,
  count: 22,
  write: ({ perSm, block, ahead, order, style, hint, bounded, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const element = elementText(forms);
    const stride = order === "stride";
    const ends = stride
      ? `
        const int step_size = gridDim.x * blockDim.x;
        const int end = vectors;
        int i = blockIdx.x * blockDim.x + threadIdx.x;`
      : `
        const int share = (vectors + gridDim.x - 1) / gridDim.x;
        const int end = min(vectors, (int)(blockIdx.x + 1) * share);
        const int step_size = blockDim.x;
        int i = blockIdx.x * share + threadIdx.x;`;
    const kept = { one: arrays, "gradient-only": ["g"] as const, none: [] as const }[ahead];
    const direct = arrays.filter((name) => !(kept as readonly string[]).includes(name));
    const get = (name: string, index: string): string => read(hint, pointer[name] ?? "", index);
    const source = `
      ${prelude}

      ${signature("adamw_resident", "float4", `, int vectors${parameters}`, on(bounded, `__launch_bounds__(${block}, ${perSm}) `))} {
        ${locals}
        ${on(style === "lambda", lambda(element))}
        ${ends}
        if (i >= end) return;
        ${kept.map((name) => `float4 ${name}_next = ${get(name, "i")};`).join("\n")}
        for (; i < end; i += step_size) {
          ${kept.map((name) => `float4 ${name}4 = ${name}_next;`).join("\n")}
          ${direct.map((name) => `float4 ${name}4 = ${get(name, "i")};`).join("\n")}
          ${on(kept.length > 0, `if (i + step_size < end) {\n${kept.map((name) => `${name}_next = ${get(name, "i + step_size")};`).join("\n")}\n}`)}
          ${bodyText(style, element, 4)}
          ${storeAll(hint, "i")}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("adamw_resident", 132 * perSm, block, ["param", "m", "v", "grad", { i32: n / 4 }, ...args])],
      },
      { names: "snake", indent: 4 },
    );
  },
});

/** Every warp or block owns one contiguous segment of the arrays. */
export const segments: Template = template({
  id: "segments",
  from: "grid-stride",
  idea: "Give every warp or block one contiguous segment of all arrays.",
  options: {
    owner: ["warp", "block"],
    units: [1024, 4096, 256, 16384],
    width: [1, 4, 2],
    unroll: ["none", "two", "four"],
    hyper: ["arguments", "powf", "defines"],
    hint: ["plain", "stream", "grad-nc", "stores"],
    block: [128, 256, 512],
    counted: [true, false],
    ...formOptions,
  },
  valid: ({ owner, units, block, width }) => owner === "warp" || units * block * width <= 16777216,
  count: 22,
  write: ({ owner, units, width, unroll, hint, block, counted, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const element = elementText(forms);
    const type = vectorType(width);
    const pragma = { none: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[unroll];
    const warp = owner === "warp";
    const all = warp ? units * 4 : units;
    const source = `
      #define SEGMENT ${n / width / all}
      ${prelude}

      ${signature("adamw_segments", type, parameters)} {
        ${locals}
        ${warp ? "const int owner = (blockIdx.x * blockDim.x + threadIdx.x) / 32;\nconst int lane = threadIdx.x % 32;" : "const int owner = blockIdx.x;\nconst int lane = threadIdx.x;"}
        const int team = ${warp ? "32" : "blockDim.x"};
        const int begin = owner * SEGMENT + lane;
        ${pragma}
        for (int ${counted ? "k = 0; k < SEGMENT / team; ++k" : "i = begin; i < (owner + 1) * SEGMENT; i += team"}) {
          ${on(counted, "const int i = begin + k * team;")}
          ${loadAll(hint, type, "i")}
          ${bodyText("inline", element, width)}
          ${storeAll(hint, "i")}
        }
      }
    `;
    const grid = warp ? (all * 32) / block : all;
    return styled(
      { source, launches: [launch("adamw_segments", grid, block, ["param", "m", "v", "grad", ...args])] },
      { names: "camel", indent: 2 },
    );
  },
});
