import { on } from "../kit/code.ts";

/** The 19 exchanges of a network that leaves the median of nine in p[4]. */
const exchanges = [
  [1, 2],
  [4, 5],
  [7, 8],
  [0, 1],
  [3, 4],
  [6, 7],
  [1, 2],
  [4, 5],
  [7, 8],
  [0, 3],
  [5, 8],
  [4, 7],
  [3, 6],
  [1, 4],
  [2, 5],
  [4, 7],
  [4, 2],
  [6, 4],
  [4, 2],
] as const;

export type Least = "min-max" | "conditional" | "bytes" | "halves" | "float";

/** Expressions for the smaller and the larger of two values. */
function leastOf(kind: Least, a: string, b: string): string {
  return {
    "min-max": `min(${a}, ${b})`,
    conditional: `(${a} < ${b} ? ${a} : ${b})`,
    bytes: `__vminu4(${a}, ${b})`,
    halves: `__vminu2(${a}, ${b})`,
    float: `fminf(${a}, ${b})`,
  }[kind];
}

function mostOf(kind: Least, a: string, b: string): string {
  return {
    "min-max": `max(${a}, ${b})`,
    conditional: `(${a} < ${b} ? ${b} : ${a})`,
    bytes: `__vmaxu4(${a}, ${b})`,
    halves: `__vmaxu2(${a}, ${b})`,
    float: `fmaxf(${a}, ${b})`,
  }[kind];
}

export type Shape = "macro" | "function" | "inline";

/** Definitions for `network`: what exchanges two values in place. */
export function exchangeDefinition(shape: Shape, type: string, kind: Least): string {
  if (shape === "macro") {
    return `
      #define ORDER(a, b) { const ${type} small = ${leastOf(kind, "a", "b")}; b = ${mostOf(kind, "a", "b")}; a = small; }`;
  }
  if (shape === "inline") return "";
  return `
    __device__ __forceinline__ void order(${type}& a, ${type}& b) {
      const ${type} small = ${leastOf(kind, "a", "b")};
      b = ${mostOf(kind, "a", "b")};
      a = small;
    }
  `;
}

/** The network over `p[0 … 8]`; afterwards p[4] is the median. */
export function network(shape: Shape, type: string, kind: Least): string {
  if (shape === "inline") {
    return `${type} t;\n${exchanges.map(([a, b]) => `t = ${leastOf(kind, `p[${a}]`, `p[${b}]`)};\np[${b}] = ${mostOf(kind, `p[${a}]`, `p[${b}]`)};\np[${a}] = t;`).join("\n")}`;
  }
  const call = shape === "macro" ? "ORDER" : "order";
  const lines: string[] = [];
  for (let i = 0; i < exchanges.length; i += 3) {
    lines.push(
      exchanges
        .slice(i, i + 3)
        .map(([a, b]) => `${call}(p[${a}], p[${b}])${on(shape === "function", ";")}`)
        .join(" "),
    );
  }
  return lines.join("\n");
}

/** Functions that sort three values and take the middle of three. */
export function threes(type: string, kind: Least): string {
  return `
    __device__ __forceinline__ void sort_three(${type} a, ${type} b, ${type} c, ${type}& low, ${type}& mid, ${type}& high) {
      const ${type} small = ${leastOf(kind, "a", "b")};
      const ${type} large = ${mostOf(kind, "a", "b")};
      const ${type} rest = ${leastOf(kind, "large", "c")};
      high = ${mostOf(kind, "large", "c")};
      low = ${leastOf(kind, "small", "rest")};
      mid = ${mostOf(kind, "small", "rest")};
    }

    __device__ __forceinline__ ${type} middle_of(${type} a, ${type} b, ${type} c) {
      const ${type} small = ${leastOf(kind, "a", "b")};
      const ${type} large = ${mostOf(kind, "a", "b")};
      const ${type} rest = ${leastOf(kind, "large", "c")};
      return ${mostOf(kind, "small", "rest")};
    }
  `;
}

/** The median from three sorted columns given as low, mid and high of each. */
export function fromColumns(kind: Least, [a, b, c]: readonly [string, string, string]): string {
  const low = mostOf(kind, mostOf(kind, `low_${a}`, `low_${b}`), `low_${c}`);
  const high = leastOf(kind, leastOf(kind, `high_${a}`, `high_${b}`), `high_${c}`);
  return `middle_of(${low}, middle_of(mid_${a}, mid_${b}, mid_${c}), ${high})`;
}

export type Slide = "permute" | "funnel" | "shifts";

/** The word of the pixels one to the left: `left` is the word before `here`. */
export function slideLeft(how: Slide, left: string, here: string): string {
  if (how === "permute") return `__byte_perm(${left}, ${here}, 0x6543)`;
  if (how === "funnel") return `__funnelshift_l(${left}, ${here}, 8)`;
  return `((${here} << 8) | (${left} >> 24))`;
}

export function slideRight(how: Slide, here: string, right: string): string {
  if (how === "permute") return `__byte_perm(${here}, ${right}, 0x4321)`;
  if (how === "funnel") return `__funnelshift_r(${here}, ${right}, 8)`;
  return `((${here} >> 8) | (${right} << 24))`;
}

export function extent({ h = 0, w = 0 }: Readonly<Record<string, number>>, how: "define" | "constexpr"): string {
  return how === "define"
    ? `#define HEIGHT ${h}\n#define WIDTH ${w}\n#define WORDS (WIDTH / 4)`
    : `constexpr int HEIGHT = ${h};\nconstexpr int WIDTH = ${w};\nconstexpr int WORDS = WIDTH / 4;`;
}

export const clampRow = (row: string): string => `min(max(${row}, 0), HEIGHT - 1)`;
export const clampColumn = (column: string): string => `min(max(${column}, 0), WIDTH - 1)`;
