/** How one entry of the table follows from its neighbours. */
export type Cell = "min" | "branch" | "ternary" | "fused";

/** An expression or statement that sets `into`; `differ` compares the symbols. */
export function cell(way: Cell, into: string, differ: string, diagonal: string, above: string, left: string): string {
  if (way === "min") return `${into} = min(min(${above}, ${left}) + 1, ${diagonal} + (${differ} ? 1 : 0));`;
  if (way === "branch") {
    return `if (${differ}) ${into} = 1 + min(${diagonal}, min(${above}, ${left}));\nelse ${into} = ${diagonal};`;
  }
  if (way === "ternary") {
    return `${into} = (${differ}) ? min(${above} < ${left} ? ${above} : ${left}, ${diagonal}) + 1 : ${diagonal};`;
  }
  return `${into} = __viaddmin_s32(${diagonal}, (int)(${differ}), min(${above}, ${left}) + 1);`;
}

export type Add = "plain" | "halves";
export type Score = "count" | "shift" | "branch" | "ternary";

/** The addition of the bit-parallel step on 64-bit words. */
export function addWords(add: Add): string {
  const body =
    add === "plain"
      ? "return x + y;"
      : `
        unsigned int low = (unsigned int)x + (unsigned int)y;
        unsigned int high = (unsigned int)(x >> 32) + (unsigned int)(y >> 32) + (low < (unsigned int)x ? 1u : 0u);
        return ((unsigned long long)high << 32) | low;`;
  return `
    __device__ __forceinline__ unsigned long long add_words(unsigned long long x, unsigned long long y) {
      ${body}
    }
  `;
}

export const columnStart = (score: Score): string =>
  `unsigned long long plus = ~0ull, minus = 0ull;${score === "count" ? "" : "\nint score = 64;"}`;

/** One symbol of the text; `equal` is the word of positions of the pattern that hold it. */
export function columnStep(score: Score): string {
  const follow = {
    count: "",
    shift: "score += (int)(up >> 63) - (int)(down >> 63);",
    branch: "if (up >> 63) ++score;\nelse if (down >> 63) --score;",
    ternary: "score += (long long)up < 0 ? 1 : ((long long)down < 0 ? -1 : 0);",
  }[score];
  return `
    unsigned long long zero = (add_words(equal & plus, plus) ^ plus) | equal | minus;
    unsigned long long up = minus | ~(zero | plus);
    unsigned long long down = zero & plus;
    ${follow}
    up = (up << 1) | 1ull;
    down <<= 1;
    plus = down | ~(zero | up);
    minus = up & zero;`;
}

export const columnEnd = (score: Score): string =>
  score === "count" ? "64 + __popcll(plus) - __popcll(minus)" : "score";
