import type { LaunchArgument } from "../../../src/domain/index.ts";

export type HyperSource = "defines" | "constexpr" | "arguments" | "powf" | "double-pow" | "loop";
export type Moments = "blend" | "lerp" | "fma";
export type Step = "plain" | "rsqrt" | "fdividef" | "reciprocal" | "split-root";
export type Decay = "scale" | "subtract" | "last";
export type Hint = "plain" | "grad-nc" | "stream" | "stores" | "cg";

const rate = 0.01;
const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 0.001;
const decay = 0.1;
const step = 10;
const inverse1 = Number((1 / (1 - beta1 ** step)).toPrecision(9));
const inverse2 = Number((1 / (1 - beta2 ** step)).toPrecision(9));

const constants: Readonly<Record<string, number>> = { rate, beta1, beta2, epsilon, decay };
const names = [...Object.keys(constants), "inv1", "inv2"];

const float = (value: number): string => (Number.isInteger(value) ? `${value}.0f` : `${value}f`);

/** Where the hyper-parameters come from: declarations, parameters of the kernel, its first lines and launch arguments. */
export function hyper(source: HyperSource): {
  readonly prelude: string;
  readonly parameters: string;
  readonly locals: string;
  readonly args: readonly LaunchArgument[];
} {
  const all: Readonly<Record<string, number>> = { ...constants, inv1: inverse1, inv2: inverse2 };
  const literals = (list: Readonly<Record<string, number>>): string =>
    Object.entries(list)
      .map(([name, value]) => `constexpr float ${name} = ${float(value)};`)
      .join("\n");
  if (source === "defines") {
    const lines = Object.entries(all).map(([name, value]) => `#define ${name.toUpperCase()} ${float(value)}`);
    return { prelude: lines.join("\n"), parameters: "", locals: "", args: [] };
  }
  if (source === "constexpr") return { prelude: literals(all), parameters: "", locals: "", args: [] };
  if (source === "arguments") {
    const args = names.map((name) => ({ f32: all[name] ?? 0 }));
    return { prelude: "", parameters: `, ${names.map((name) => `float ${name}`).join(", ")}`, locals: "", args };
  }
  const locals = {
    powf: `
      const float inv1 = 1.0f / (1.0f - powf(beta1, (float)step));
      const float inv2 = 1.0f / (1.0f - powf(beta2, (float)step));`,
    "double-pow": `
      const float inv1 = (float)(1.0 / (1.0 - pow(0.9, (double)step)));
      const float inv2 = (float)(1.0 / (1.0 - pow(0.999, (double)step)));`,
    loop: `
      float power1 = 1.0f, power2 = 1.0f;
      for (int s = 0; s < step; ++s) {
        power1 *= beta1;
        power2 *= beta2;
      }
      const float inv1 = 1.0f / (1.0f - power1);
      const float inv2 = 1.0f / (1.0f - power2);`,
  }[source];
  return { prelude: literals(constants), parameters: ", int step", locals, args: [{ i32: step }] };
}

function named(source: HyperSource, text: string): string {
  if (source !== "defines") return text;
  return text.replace(new RegExp(`\\b(${names.join("|")})\\b`, "g"), (name) => name.toUpperCase());
}

/** New m and v of one element from its gradient g. */
export function momentsText(source: HyperSource, moments: Moments): string {
  const text = {
    blend: `
      m = beta1 * m + (1.0f - beta1) * g;
      v = beta2 * v + (1.0f - beta2) * g * g;`,
    lerp: `
      m += (1.0f - beta1) * (g - m);
      v += (1.0f - beta2) * (g * g - v);`,
    fma: `
      m = fmaf(beta1, m, (1.0f - beta1) * g);
      v = fmaf(beta2, v, (1.0f - beta2) * (g * g));`,
  }[moments];
  return named(source, text);
}

/** What is subtracted from a parameter, as an expression in the new m and v. */
export function directionText(source: HyperSource, step: Step): string {
  const text = {
    plain: "rate * (m * inv1) / (sqrtf(v * inv2) + epsilon)",
    rsqrt: "rate * inv1 * m / fmaf(v * inv2, rsqrtf(v * inv2), epsilon)",
    fdividef: "__fdividef(rate * inv1 * m, __fsqrt_rn(v * inv2) + epsilon)",
    reciprocal: "(rate * inv1) * m * __frcp_rn(sqrtf(v * inv2) + epsilon)",
    "split-root": "rate * inv1 * m / (sqrtf(v) * sqrtf(inv2) + epsilon)",
  }[step];
  return named(source, text);
}

export function applyText(source: HyperSource, decay: Decay, direction: string): string {
  const text = {
    scale: `p = p * (1.0f - rate * decay) - #;`,
    subtract: `p -= rate * decay * p;\np -= #;`,
    last: `p -= # + rate * decay * p;`,
  }[decay];
  return named(source, text).replace("#", direction);
}

export interface Forms {
  readonly hyper: HyperSource;
  readonly moments: Moments;
  readonly step: Step;
  readonly decay: Decay;
}

/** All lines of one element in the names p, m, v and g. */
export function elementText({ hyper, moments, step, decay }: Forms): string {
  return `${momentsText(hyper, moments)}\n${applyText(hyper, decay, directionText(hyper, step))}`;
}

/** `text` with p, m, v and g standing for other expressions. */
export function substituted(text: string, to: (name: string) => string): string {
  return text.replace(/(?<![.\w])[pmvg](?!\w)/g, to);
}

export const lanes = (width: number): readonly string[] => ["x", "y", "z", "w"].slice(0, width);

export const vectorType = (width: number): string => (width === 1 ? "float" : `float${width}`);

/** The element's lines for each lane of vectors named by `name`. */
export function vectorText(text: string, width: number, name: (part: string) => string): string {
  if (width === 1) return substituted(text, name);
  return lanes(width)
    .map((lane) => substituted(text, (part) => `${name(part)}.${lane}`))
    .join("\n");
}

export function read(hint: Hint, base: string, index: string): string {
  const pointer = `${base} + ${index}`;
  if (hint === "stream") return `__ldcs(${pointer})`;
  if (hint === "cg") return `__ldcg(${pointer})`;
  if (hint === "grad-nc" && base === "grad") return `__ldg(${pointer})`;
  return `${base}[${index}]`;
}

export function write(hint: Hint, base: string, index: string, value: string): string {
  if (hint === "stream" || hint === "stores") return `__stcs(${base} + ${index}, ${value});`;
  if (hint === "cg") return `__stcg(${base} + ${index}, ${value});`;
  return `${base}[${index}] = ${value};`;
}

export const formOptions = {
  moments: ["blend", "lerp", "fma"],
  step: ["plain", "rsqrt", "fdividef", "reciprocal"],
  decay: ["scale", "subtract"],
} as const;
