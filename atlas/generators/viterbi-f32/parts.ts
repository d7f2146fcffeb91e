import { on } from "../kit/code.ts";

/** The task's extents; sources are written for them. */
export const batch = 2048;
export const steps = 128;
const states = 64;

export const constants = {
  define: `#define BATCH ${batch}\n#define STEPS ${steps}\n#define STATES ${states}\n`,
  constexpr: `constexpr int BATCH = ${batch}, STEPS = ${steps}, STATES = ${states};\n`,
} as const;

export type Choice = "if" | "ternary" | "fmax";
export const choices = ["if", "ternary", "fmax"] as const;

/** Statements that keep the larger of two scores and its predecessor; of equals the one that is there. */
export function choose(style: Choice, candidate: string, best: string, from: string, index: string): string {
  if (style === "if") return `if (${candidate} > ${best}) {\n${best} = ${candidate};\n${from} = ${index};\n}`;
  const kept = style === "fmax" ? `fmaxf(${best}, ${candidate})` : `${candidate} > ${best} ? ${candidate} : ${best}`;
  return `${from} = ${candidate} > ${best} ? ${index} : ${from};\n${best} = ${kept};`;
}

export interface Predecessors {
  readonly style: Choice;
  /** Reads four scores, and four transitions if these are given so, at once. */
  readonly quads?: boolean;
  readonly chains?: number;
  readonly unroll?: string;
  readonly previous: (i: string) => string;
  readonly transition: (i: string) => string;
  readonly transitionQuad?: (i: string) => string;
}

/** Statements that leave the best score over all predecessors in `best` and the predecessor in `from`. */
export function overPredecessors(o: Predecessors): string {
  const { chains = 1, unroll = "" } = o;
  const share = states / chains;
  const names = (k: number): [string, string] => (k === 0 ? ["best", "from"] : [`best${k}`, `from${k}`]);
  const at = (k: number, add = 0): string => (k * share + add === 0 ? "i" : `i + ${k * share + add}`);
  const all = Array.from({ length: chains }, (_, k) => k);
  const declare = all.map((k) => `float ${names(k)[0]} = -1.0e30f;\nint ${names(k)[1]} = ${k * share};`).join("\n");
  const join = all
    .slice(1)
    .map((k) => `if (${names(k)[0]} > best) {\nbest = ${names(k)[0]};\nfrom = ${names(k)[1]};\n}`)
    .join("\n");
  const [lanes, each] = [["x", "y", "z", "w"], o.quads ? 4 : 1];
  const body = all
    .map((k) => {
      const [best, from] = names(k);
      const load = o.quads
        ? `const float4 p = *reinterpret_cast<const float4*>(&${o.previous(at(k))});
           ${o.transitionQuad ? `const float4 w = *reinterpret_cast<const float4*>(&${o.transitionQuad(at(k))});` : ""}`
        : "";
      const one = Array.from({ length: each }, (_, lane) => {
        const index = at(k, lane);
        const previous = o.quads ? `p.${lanes[lane]}` : o.previous(index);
        const transition = o.quads && o.transitionQuad ? `w.${lanes[lane]}` : o.transition(index);
        return `{\nconst float c = ${previous} + ${transition};\n${choose(o.style, "c", best, from, index)}\n}`;
      }).join("\n");
      return o.quads ? `{\n${load}\n${one}\n}` : one;
    })
    .join("\n");
  return `${declare}
    ${unroll}for (int i = 0; i < ${share}; i += ${each}) {
      ${body}
    }
    ${join}`;
}

export type Back = "global int" | "global byte" | "shared byte";
export const backs = ["global int", "global byte", "shared byte"] as const;

/** Where predecessors are kept: `q` is the block's own number of the sequence `b`. */
export function backPlace(kind: Back, t: string, state: string): string {
  return kind === "shared byte" ? `back[q][${t}][${state}]` : `back[(b * STEPS + ${t}) * STATES + ${state}]`;
}

export function backParameter(kind: Back, q = ""): string {
  return { "global int": `, int*${q} back`, "global byte": `, unsigned char*${q} back`, "shared byte": "" }[kind];
}

export function backArgs(kind: Back): readonly string[] {
  return kind === "shared byte" ? [] : ["back"];
}

export function backShared(kind: Back, sequences: number): string {
  return on(kind === "shared byte", `__shared__ unsigned char back[${sequences}][STEPS][STATES];`);
}

export type Trace = "one thread" | "warp" | "gathered";
export const traces = ["one thread", "warp", "gathered"] as const;

/** Statements of a warp that leave the best last state in `state` and its score in `top`, in every lane that holds two states. */
export function lastState(first: string, second: string, number = "lane", other = "lane + 32"): string {
  return `float top = ${first};
    int state = ${number};
    if (${second} > top) {
      top = ${second};
      state = ${other};
    }
    #pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) {
      const float other = __shfl_xor_sync(0xffffffffu, top, offset);
      const int other_state = __shfl_xor_sync(0xffffffffu, state, offset);
      if (other > top || (other == top && other_state < state)) {
        top = other;
        state = other_state;
      }
    }
    if (lane == 0) score[b] = top;`;
}

/** Statements that walk from `state` back to the first step. `step` sets `state` to its predecessor at step `t`. */
export function walkBack(gathered: boolean, step: string): string {
  return gathered
    ? `for (int t0 = STEPS - 32; t0 >= 0; t0 -= 32) {
        int mine = 0;
        for (int k = 31; k >= 0; --k) {
          if (lane == k) mine = state;
          const int t = t0 + k;
          if (t > 0) {
            ${step}
          }
        }
        path[b * STEPS + t0 + lane] = mine;
      }`
    : `for (int t = STEPS - 1; t > 0; --t) {
        if (lane == 0) path[b * STEPS + t] = state;
        ${step}
      }
      if (lane == 0) path[b * STEPS] = state;`;
}

/** The trace over kept predecessors by the threads of a sequence; `self` is a thread's number among them. */
export function traceBack(
  trace: Trace,
  last: (i: string) => string,
  back: (t: string, state: string) => string,
  self = "s",
): string {
  if (trace !== "one thread")
    return `if (${self} < 32) {
      const int lane = ${self};
      ${lastState(last("lane"), last("lane + 32"))}
      ${walkBack(trace === "gathered", `state = ${back("t", "state")};`)}
    }`;
  return `if (${self} == 0) {
    int state = 0;
    for (int i = 1; i < STATES; ++i)
      if (${last("i")} > ${last("state")}) state = i;
    score[b] = ${last("state")};
    for (int t = STEPS - 1; t > 0; --t) {
      path[b * STEPS + t] = state;
      state = ${back("t", "state")};
    }
    path[b * STEPS] = state;
  }`;
}

export type Lookup = "ballot" | "reduce" | "shuffle";
export const lookups = ["ballot", "reduce", "shuffle"] as const;

/** Statements of a warp that find the lowest best predecessor of `state` anew; candidates are whole numbers. */
export function findPredecessor(
  lookup: Lookup,
  type: "float" | "int",
  candidate: (i: string) => string,
  target: string,
): string {
  const both = `const ${type} c0 = ${candidate("lane")}, c1 = ${candidate("lane + 32")};`;
  if (lookup === "ballot")
    return `${both}
      const ${type} target = ${target};
      const unsigned low = __ballot_sync(0xffffffffu, c0 == target), high = __ballot_sync(0xffffffffu, c1 == target);
      state = low != 0 ? __ffs(low) - 1 : __ffs(high) + 31;`;
  const cast = type === "int" ? "" : "(int)";
  const key = `${both}\nint key = max(${cast}c0 * 64 + 63 - lane, ${cast}c1 * 64 + 31 - lane);`;
  return lookup === "reduce"
    ? `${key}\nkey = __reduce_max_sync(0xffffffffu, key);\nstate = 63 - (key & 63);`
    : `${key}
      #pragma unroll
      for (int offset = 16; offset > 0; offset >>= 1) key = max(key, __shfl_xor_sync(0xffffffffu, key, offset));
      state = 63 - (key & 63);`;
}
