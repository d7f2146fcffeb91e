export interface Frames {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly ho: number;
  readonly wo: number;
}

export function framesOf({ n = 0, h = 0, w = 0, ho = 0, wo = 0 }: Readonly<Record<string, number>>): Frames {
  return { n, h, w, ho, wo };
}

export type Declared = "constexpr" | "define" | "static";

export function declareFrames(frames: Frames, how: Declared): string {
  return Object.entries({ N: frames.n, IN_H: frames.h, IN_W: frames.w, OUT_H: frames.ho, OUT_W: frames.wo })
    .map(([name, value]) =>
      how === "define"
        ? `#define ${name} ${value}`
        : `${how === "static" ? "static const int" : "constexpr int"} ${name} = ${value};`,
    )
    .join("\n");
}

export type Coordinate = "scale" | "quotient" | "fused" | "integers" | "double";

/** Declares `${lo}`, `${hi}` and `${part}` for an output place along an axis. */
export function coordinate(how: Coordinate, place: string, axis: "x" | "y"): string {
  const [from, to] = axis === "x" ? ["IN_W", "OUT_W"] : ["IN_H", "OUT_H"];
  const tail = `
    const int lo_${axis} = min((int)at_${axis}, ${from} - 1);
    const int hi_${axis} = min(lo_${axis} + 1, ${from} - 1);
    const float part_${axis} = (float)(at_${axis} - lo_${axis});`;
  if (how === "integers") {
    return `
      const int twice_${axis} = max((2 * (${place}) + 1) * ${from} - ${to}, 0);
      const int lo_${axis} = min(twice_${axis} / (2 * ${to}), ${from} - 1);
      const int hi_${axis} = lo_${axis} + 1 < ${from} ? lo_${axis} + 1 : ${from} - 1;
      const float part_${axis} = (twice_${axis} - lo_${axis} * 2 * ${to}) * (0.5f / ${to});`;
  }
  const at = {
    scale: `fmaxf(((${place}) + 0.5f) * ((float)${from} / ${to}) - 0.5f, 0.0f)`,
    quotient: `fmaxf(((${place}) + 0.5f) * ${from} / ${to} - 0.5f, 0.0f)`,
    fused: `fmaxf(fmaf((float)(${place}), (float)${from} / ${to}, 0.5f * ${from} / ${to} - 0.5f), 0.0f)`,
    double: `fmax(((${place}) + 0.5) * ${from} / ${to} - 0.5, 0.0)`,
  }[how];
  return `const ${how === "double" ? "double" : "float"} at_${axis} = ${at};${tail}`;
}

export type Mix = "difference" | "weights" | "fused";

export function mix(how: Mix, a: string, b: string, t: string): string {
  if (how === "weights") return `(1.0f - ${t}) * ${a} + ${t} * ${b}`;
  if (how === "fused") return `fmaf(${t}, ${b} - ${a}, ${a})`;
  return `${a} + ${t} * (${b} - ${a})`;
}

export type Load = "plain" | "__ldg";
export type Store = "plain" | "__stcs";

export const take = (how: Load, place: string): string => (how === "plain" ? place : `${how}(&${place})`);
export const give = (how: Store, place: string, value: string): string =>
  how === "plain" ? `${place} = ${value};` : `${how}(&${place}, ${value});`;

/** The fixed fractions of four neighbouring outputs: each is between inputs 3 k - 1 + j and 3 k + j of its group k. */
export const phases = ["0.875f", "0.625f", "0.375f", "0.125f"] as const;
