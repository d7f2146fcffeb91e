import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  applyText,
  directionText,
  elementText,
  formOptions,
  hyper,
  momentsText,
  read,
  substituted,
  write,
} from "./fragments.ts";

const at = (text: string): string => substituted(text, (name) => `${{ p: "param", g: "grad" }[name] ?? name}[i]`);

/** A launch per line of the algorithm, with the corrected moments in scratch. */
export const stepPasses: Template = template({
  id: "launch-per-line",
  from: null,
  idea: "Keep one launch per line of the algorithm and change how threads walk the arrays.",
  options: {
    walk: ["run", "element", "stride"],
    fusion: ["none", "corrections", "decay", "both"],
    corrected: ["pair", "quotient"],
    hyper: ["powf", "arguments", "defines"],
    index: ["long long", "int", "size_t"],
    restrict: [false, true],
    block: [128, 256, 64, 512],
    ...formOptions,
  },
  count: 23,
  write: ({ walk, fusion, corrected, hyper: source, index, restrict, block, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(source);
    const r = on(restrict, "__restrict__ ");
    const loop = (body: string): string =>
      ({
        run: `
          ${index} start = ((${index})blockIdx.x * blockDim.x + threadIdx.x) * RUN;
          for (${index} i = start; i < start + RUN && i < n; ++i) {
            ${body}
          }`,
        element: `
          ${index} i = (${index})blockIdx.x * blockDim.x + threadIdx.x;
          if (i < n) {
            ${body}
          }`,
        stride: `
          for (${index} i = (${index})blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (${index})gridDim.x * blockDim.x) {
            ${body}
          }`,
      })[walk];
    const direction = directionText(source, forms.step);
    const pair = corrected === "pair";
    const [inv1, inv2] = source === "defines" ? ["INV1", "INV2"] : ["inv1", "inv2"];
    const store = pair
      ? at(`scratch_m[i] = m * ${inv1};\nscratch_v[i] = v * ${inv2};`)
      : `scratch_m[i] = ${at(direction)};`;
    const fromScratch = pair
      ? substituted(direction.replaceAll(/ \* inv[12]/gi, ""), (name) => `scratch_${name}[i]`)
      : "scratch_m[i]";
    const withCorrection = fusion === "corrections" || fusion === "both";
    const withDecay = fusion === "decay" || fusion === "both";
    const kernel = (name: string, body: string): string => `
      extern "C" __global__ void ${name}(float* ${r}param, float* ${r}m, float* ${r}v, const float* ${r}grad, float* ${r}scratch, int n${parameters}) {
        ${locals}
        float* scratch_m = scratch;
        ${on(pair, "float* scratch_v = scratch + n;")}
        ${loop(body)}
      }
    `;
    const decayed = `param[i] -= ${source === "defines" ? "RATE * DECAY" : "rate * decay"} * param[i];`;
    const apply = withDecay
      ? at(applyText(source, forms.decay, "#")).replace("#", fromScratch)
      : `param[i] -= ${fromScratch};`;
    const names = [
      "moments",
      ...(withCorrection ? [] : ["corrections"]),
      ...(withDecay ? [] : ["weight_decay"]),
      "apply",
    ];
    const bodies: Readonly<Record<string, string>> = {
      moments: `${at(momentsText(source, forms.moments))}\n${on(withCorrection, store)}`,
      corrections: store,
      weight_decay: decayed,
      apply,
    };
    const text = `
      ${on(walk === "run", "#define RUN 32")}
      ${prelude}

      ${names.map((name) => kernel(name, bodies[name] ?? "")).join("\n")}
    `;
    const grid = { run: n / 32 / block, element: n / block, stride: 132 * 8 }[walk];
    return styled(
      {
        source: text,
        launches: names.map((name) =>
          launch(name, grid, block, ["param", "m", "v", "grad", "scratch", { i32: n }, ...args]),
        ),
      },
      { names: "snake", indent: 2 },
    );
  },
});

const loads = (hint: Parameters<typeof read>[0], index: string): string => `
  float p = ${read(hint, "param", index)};
  float m = ${read(hint, "m_state", index)};
  float v = ${read(hint, "v_state", index)};
  const float g = ${read(hint, "grad", index)};`;

const stores = (hint: Parameters<typeof read>[0], index: string): string => `
  ${write(hint, "param", index, "p")}
  ${write(hint, "m_state", index, "m")}
  ${write(hint, "v_state", index, "v")}`;

/** All lines for one parameter in one thread. */
export const perElement: Template = template({
  id: "element-per-thread",
  from: "launch-per-line",
  idea: "Fuse the lines: one thread reads its parameter's four numbers once and writes three.",
  options: {
    hyper: ["powf", "double-pow", "loop", "arguments", "constexpr"],
    guard: ["if", "return", "none"],
    index: ["int", "size_t", "unsigned int"],
    order: ["states-first", "stores-early"],
    hint: ["plain", "grad-nc", "stream", "stores", "cg"],
    restrict: [false, true],
    block: [256, 64, 128, 512, 1024],
    geometry: ["line", "plane"],
    ...formOptions,
  },
  count: 24,
  write: ({ guard, index, order, hint, restrict, block, geometry, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const r = on(restrict, "__restrict__ ");
    const early = `
      float m = ${read(hint, "m_state", "i")};
      float v = ${read(hint, "v_state", "i")};
      const float g = ${read(hint, "grad", "i")};
      ${momentsText(forms.hyper, forms.moments)}
      ${write(hint, "m_state", "i", "m")}
      ${write(hint, "v_state", "i", "v")}
      float p = ${read(hint, "param", "i")};
      ${applyText(forms.hyper, forms.decay, directionText(forms.hyper, forms.step))}
      ${write(hint, "param", "i", "p")}`;
    const body = order === "stores-early" ? early : `${loads(hint, "i")}\n${elementText(forms)}\n${stores(hint, "i")}`;
    const guarded = {
      if: `if (i < n) {\n${locals}\n${body}\n}`,
      return: `if (i >= n) return;\n${locals}\n${body}`,
      none: `${locals}\n${body}`,
    };
    const number = geometry === "plane" ? "(blockIdx.y * gridDim.x + blockIdx.x)" : "blockIdx.x";
    const text = `
      ${prelude}

      extern "C" __global__ void adamw(float* ${r}param, float* ${r}m_state, float* ${r}v_state, const float* ${r}grad${on(guard !== "none", `, ${index} n`)}${parameters}) {
        const ${index} i = ${index === "size_t" ? "(size_t)" : ""}${number} * blockDim.x + threadIdx.x;
        ${guarded[guard]}
      }
    `;
    const type = index === "size_t" ? "u64" : index === "int" ? "i32" : "u32";
    const count = guard === "none" ? [] : [{ [type]: n }];
    const blocks = n / block;
    return styled(
      {
        source: text,
        launches: [
          launch("adamw", geometry === "plane" ? [256, blocks / 256] : blocks, block, [
            "param",
            "m",
            "v",
            "grad",
            ...count,
            ...args,
          ]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Each thread owns neighbouring parameters. */
export const ownRuns: Template = template({
  id: "run-per-thread",
  from: "element-per-thread",
  idea: "Let a thread own neighbouring parameters so that the hyper-parameters are prepared once per run.",
  options: {
    run: [16, 8, 32, 4, 2],
    buffer: ["none", "arrays", "gradients"],
    hyper: ["loop", "powf", "arguments", "defines"],
    unroll: ["none", "full", "two"],
    backwards: [false, true],
    hint: ["plain", "grad-nc", "stores", "cg"],
    pointers: [false, true],
    block: [128, 256, 64, 512],
    ...formOptions,
  },
  count: 22,
  write: ({ run, buffer, unroll, backwards, hint, pointers, block, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const pragma = { none: "#pragma unroll 1", full: "#pragma unroll", two: "#pragma unroll 2" }[unroll];
    const loop = (body: string): string => `
      ${buffer === "arrays" ? "#pragma unroll" : pragma}
      for (int k = ${backwards ? "RUN - 1; k >= 0; --k" : "0; k < RUN; ++k"}) {
        ${body}
      }`;
    const element = elementText(forms);
    const index = pointers ? "k" : "first + k";
    const inArrays = `
      float ps[RUN], ms[RUN], vs[RUN], gs[RUN];
      ${loop(["param:ps", "m_state:ms", "v_state:vs", "grad:gs"].map((pair) => `${pair.split(":")[1]}[k] = ${read(hint, pair.split(":")[0] ?? "", index)};`).join("\n"))}
      ${loop(substituted(element, (name) => `${name}s[k]`))}
      ${loop(["param:ps", "m_state:ms", "v_state:vs"].map((pair) => write(hint, pair.split(":")[0] ?? "", index, `${pair.split(":")[1]}[k]`)).join("\n"))}`;
    const gradients = `
      float gs[RUN];
      #pragma unroll
      for (int k = 0; k < RUN; ++k) gs[k] = ${read(hint, "grad", index)};
      ${loop(`${loads(hint, index).replace(/const float g = .*;/, "const float g = gs[k];")}\n${element}\n${stores(hint, index)}`).replace(pragma, "#pragma unroll")}`;
    const body = {
      none: loop(`${loads(hint, index)}\n${element}\n${stores(hint, index)}`),
      arrays: inArrays,
      gradients,
    }[buffer];
    const text = `
      #define RUN ${run}
      ${prelude}

      extern "C" __global__ void __launch_bounds__(${block}) adamw_runs(float* param, float* m_state, float* v_state, const float* __restrict__ grad${parameters}) {
        ${locals}
        const int first = (blockIdx.x * blockDim.x + threadIdx.x) * RUN;
        ${on(pointers, "param += first;\nm_state += first;\nv_state += first;\ngrad += first;")}
        ${body}
      }
    `;
    return styled(
      { source: text, launches: [launch("adamw_runs", n / run / block, block, ["param", "m", "v", "grad", ...args])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Scalars with a stride of the whole grid. */
export const gridStride: Template = template({
  id: "grid-stride",
  from: "element-per-thread",
  idea: "Launch a fixed grid and let every thread step through the arrays by the size of the grid.",
  options: {
    perSm: [4, 1, 2, 8, 16],
    block: [256, 128, 512, 1024],
    hyper: ["powf", "double-pow", "arguments", "defines"],
    loop: ["for", "while", "counted"],
    unroll: ["none", "two", "four"],
    hint: ["plain", "grad-nc", "stream", "stores"],
    index: ["int", "size_t"],
    restrict: [true, false],
    bounded: [false, true],
    ...formOptions,
  },
  valid: ({ perSm, block }) => perSm * block <= 4096,
  count: 24,
  write: ({ perSm, block, loop, unroll, hint, index, restrict, bounded, ...forms }, { n = 0 }) => {
    const { prelude, parameters, locals, args } = hyper(forms.hyper);
    const pragma = { none: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[unroll];
    const body = `${loads(hint, "i")}\n${elementText(forms)}\n${stores(hint, "i")}`;
    const r = on(restrict, "__restrict__ ");
    const loops = {
      for: `${pragma}\nfor (${index} i = start; i < n; i += stride) {\n${body}\n}`,
      while: `${index} i = start;\nwhile (i < n) {\n${body}\ni += stride;\n}`,
      counted: `
        const ${index} rounds = (n - start + stride - 1) / stride;
        ${pragma}
        for (${index} round = 0; round < rounds; ++round) {
          const ${index} i = start + round * stride;
          ${body}
        }`,
    };
    const text = `
      ${prelude}

      extern "C" __global__ void ${on(bounded, `__launch_bounds__(${block}) `)}stride_step(float* ${r}param, float* ${r}m_state, float* ${r}v_state,
          const float* ${r}grad, ${index} n${parameters}) {
        ${locals}
        const ${index} start = ${index === "size_t" ? "(size_t)" : ""}blockIdx.x * blockDim.x + threadIdx.x;
        const ${index} stride = ${index === "size_t" ? "(size_t)" : ""}gridDim.x * blockDim.x;
        ${loops[loop]}
      }
    `;
    const count = { [index === "size_t" ? "u64" : "i32"]: n };
    return styled(
      {
        source: text,
        launches: [launch("stride_step", 132 * perSm, block, ["param", "m", "v", "grad", count, ...args])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
