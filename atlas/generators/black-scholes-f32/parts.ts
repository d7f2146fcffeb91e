import { on } from "../kit/code.ts";

export const bookArguments = ["book", "shocks", "mean", "worst"] as const;

const cdfs = ["erfcf", "normcdff", "erff", "poly", "poly-fma", "poly-branch"] as const;
export type Cdf = (typeof cdfs)[number];
export type Math = "precise" | "intrinsic" | "base2";

/** The body of a distribution function of `z` under one name. */
export function cdfFunction(cdf: Cdf, name: string, qualifiers = "__device__ __forceinline__ float"): string {
  const series = (t: string): string =>
    `${t} * (0.319381530f + ${t} * (-0.356563782f + ${t} * (1.781477937f + ${t} * (-1.821255978f + ${t} * 1.330274429f))))`;
  const bodies: Record<Cdf, string> = {
    erfcf: "return 0.5f * erfcf(-0.707106781f * z);",
    normcdff: "return normcdff(z);",
    erff: "return fmaf(0.5f, erff(0.707106781f * z), 0.5f);",
    poly: `
      const float t = 1.0f / (1.0f + 0.2316419f * fabsf(z));
      const float tail = 0.398942280f * expf(-0.5f * z * z) * (${series("t")});
      return z > 0.0f ? 1.0f - tail : tail;`,
    "poly-fma": `
      const float t = __fdividef(1.0f, fmaf(0.2316419f, fabsf(z), 1.0f));
      float sum = fmaf(t, 1.330274429f, -1.821255978f);
      sum = fmaf(t, sum, 1.781477937f);
      sum = fmaf(t, sum, -0.356563782f);
      sum = fmaf(t, sum, 0.319381530f);
      const float tail = 0.398942280f * __expf(-0.5f * z * z) * t * sum;
      return z > 0.0f ? 1.0f - tail : tail;`,
    "poly-branch": `
      if (z > 6.0f) return 1.0f;
      if (z < -6.0f) return 0.0f;
      const float t = __frcp_rn(1.0f + 0.2316419f * fabsf(z));
      const float tail = 0.398942280f * __expf(-0.5f * z * z) * (${series("t")});
      if (z > 0.0f) return 1.0f - tail;
      return tail;`,
  };
  return `${qualifiers} ${name}(float z) {\n${bodies[cdf]}\n}`;
}

export function logOf(math: Math, value: string): string {
  if (math === "base2") return `(0.693147181f * __log2f(${value}))`;
  return `${math === "precise" ? "logf" : "__logf"}(${value})`;
}

export function expOf(math: Math, value: string): string {
  if (math === "base2") return `exp2f(1.44269504f * (${value}))`;
  return `${math === "precise" ? "expf" : "__expf"}(${value})`;
}

function quotient(math: Math, above: string, below: string): string {
  return math === "precise" ? `${above} / ${below}` : `__fdividef(${above}, ${below})`;
}

/** Names of what is known of an option before the scenarios, and of the scenario. */
export interface Known {
  readonly spot: string;
  readonly paid: string;
  readonly money: string;
  readonly root: string;
  readonly vol: string;
  readonly factor: string;
  readonly logFactor: string;
  readonly shift: string;
}

export const known: Known = {
  spot: "spot",
  paid: "paid",
  money: "money",
  root: "root",
  vol: "vol",
  factor: "factor",
  logFactor: "log_factor",
  shift: "shift",
};

/** The two ways to write the spread's use: a division or a reciprocal square root of what is shared. */
export type Formula = "two-cdfs" | "shared-density";

/**
 * Statements that define `value` from what is known. With a shared density the two normal densities come from one
 * exponential, since spot * density(d1) = paid * density(d2).
 */
export function valueOf(formula: Formula, math: Math, names: Known, cdf: string): string {
  const { spot, paid, money, root, vol, factor, logFactor, shift } = names;
  const head = `
    const float spread = (${vol} + ${shift}) * ${root};
    const float d1 = ${quotient(math, `(${money} + ${logFactor})`, "spread")} + 0.5f * spread;
    const float d2 = d1 - spread;`;
  if (formula === "two-cdfs")
    return `${head}\nconst float value = ${spot} * ${factor} * ${cdf}(d1) - ${paid} * ${cdf}(d2);`;
  const tail = (d: string, t: string): string => `
    float ${t} = ${quotient(math, "1.0f", `fmaf(0.2316419f, fabsf(${d}), 1.0f)`)};
    ${t} *= fmaf(${t}, fmaf(${t}, fmaf(${t}, fmaf(${t}, 1.330274429f, -1.821255978f), 1.781477937f), -0.356563782f), 0.319381530f);`;
  return `${head}
    const float now = ${spot} * ${factor};
    const float density = 0.398942280f * now * ${expOf(math, "-0.5f * d1 * d1")};
    ${tail("d1", "t1")}
    ${tail("d2", "t2")}
    const float value = (d1 > 0.0f ? now - density * t1 : density * t1) - (d2 > 0.0f ? ${paid} - density * t2 : density * t2);`;
}

/** Statements that define what is known of an option from `row`'s four values. */
export function preparation(
  math: Math,
  values: readonly string[],
  money: "quotient" | "difference",
  suffix = "",
): string {
  const [spot = "", strike = "", years = "", vol = ""] = values;
  const ratio =
    money === "quotient"
      ? `${logOf(math, quotient(math, spot, strike))} + RATE * ${years}`
      : `${logOf(math, spot)} - ${logOf(math, strike)} + RATE * ${years}`;
  return `
    const float spot${suffix} = ${spot};
    const float vol${suffix} = ${vol};
    const float root${suffix} = sqrtf(${years});
    const float paid${suffix} = ${strike} * ${expOf(math, `-RATE * ${years}`)};
    const float money${suffix} = ${ratio};`;
}

export const bookRow = (load: string, index: string): { readonly text: string; readonly values: readonly string[] } => {
  const parts = ["x", "y", "z", "w"];
  if (load === "scalar")
    return { text: "", values: [0, 1, 2, 3].map((k) => `book[4 * ${index}${on(k > 0, ` + ${k}`)}]`) };
  const place = `reinterpret_cast<const float4*>(book)${load === "__ldg" ? ` + ${index}` : `[${index}]`}`;
  return {
    text: `const float4 row = ${load === "__ldg" ? `__ldg(${place})` : place};`,
    values: parts.map((part) => `row.${part}`),
  };
};
