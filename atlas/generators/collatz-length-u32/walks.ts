import { launch, on, styled, template } from "../kit/code.ts";
import { advance, begin, pointers, ull, type Step } from "./steps.ts";

function loop(kind: "while" | "for" | "do", stop: string, body: string): string {
  if (kind === "while") return `while (${stop}) {\n${body}\n}`;
  if (kind === "for") return `for (;;) {\nif (!(${stop})) break;\n${body}\n}`;
  return `if (${stop}) {\ndo {\n${body}\n} while (${stop});\n}`;
}

/** A walk per number, in the ways in which one first writes it. */
export const plainWalk = template({
  id: "walk",
  from: null,
  idea: "Give each number its own thread, neighbours to neighbours",
  options: {
    step: ["plain", "remainder", "shortcut", "select", "recount"],
    loop: ["while", "for", "do"],
    map: ["one", "stride", "chunk"],
    type: ["unsigned long long", "long long"],
    stop: ["n != 1", "n > 1"],
    restrict: [false, true],
    read: ["plain", "__ldg"],
    block: [256, 64, 128, 512, 1024],
  },
  count: 20,
  write: (o, { n: count = 0 }) => {
    const body = {
      remainder: "n = n % 2 == 0 ? n / 2 : n * 3 + 1;\nsteps++;",
      recount: "steps += 1 + (n & 1);\nn = n & 1 ? (3 * n + 1) >> 1 : n >> 1;",
      plain: advance("plain"),
      shortcut: advance("shortcut"),
      select: advance("select"),
    }[o.step];
    const walk = `${o.type} n = ${o.read === "plain" ? "numbers[i]" : "__ldg(&numbers[i])"};
      int steps = 0;
      ${loop(o.loop, o.stop, body)}
      lengths[i] = steps;`;
    const mapped = {
      one: `int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i >= count) return;\n${walk}`,
      stride: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {\n${walk}\n}`,
      chunk: `int first = (blockIdx.x * blockDim.x + threadIdx.x) * 8;\nfor (int i = first; i < min(first + 8, count); i++) {\n${walk}\n}`,
    }[o.map];
    const source = `extern "C" __global__ void sequence_lengths(${pointers(o.restrict)}, int count) {\n${mapped}\n}`;
    const blocks = { one: count / o.block, stride: (132 * 2048) / o.block, chunk: count / o.block / 8 }[o.map];
    return styled(
      { source, launches: [launch("sequence_lengths", blocks, o.block, ["numbers", "lengths", { i32: count }])] },
      { names: "snake", indent: 4 },
    );
  },
});

const zeroCounts = {
  ffs: "__ffsll(m) - 1",
  reversed: "__clzll(__brevll(m))",
  population: "__popcll((m & (~m + 1)) - 1)",
  halves: "((unsigned int)m != 0 ? __ffs((unsigned int)m) - 1 : 31 + __ffs((unsigned int)(m >> 32)))",
} as const;

/** From odd number to odd number: all halvings at once. */
export const trailingZeros = template({
  id: "trailing-zeros",
  from: "walk",
  idea: "Count the trailing zeros and halve that often at once",
  options: {
    zeros: ["ffs", "reversed", "population", "halves", "loop"],
    triple: ["3 * n + 1", "n + 2 * n + 1", "((n << 1) | 1) + n"],
    order: ["odd-first", "even-first"],
    tally: ["both", "apart"],
    helper: [false, true],
    map: ["one", "stride", "pair"],
    block: [128, 256, 512, 64],
  },
  count: 26,
  write: (o, { n: total = 0 }) => {
    const strip = (tally: string): string =>
      o.zeros === "loop"
        ? `while (!(m & 1)) {\nm >>= 1;\n++${tally};\n}\nn = m;`
        : `const int z = ${o.helper ? "zerosOf(m)" : zeroCounts[o.zeros]};\nn = m >> z;\n${tally} += z;`;
    const [halvings, odds] = o.tally === "both" ? ["steps", "steps"] : ["halvings", "odds"];
    const first = `{\nunsigned long long m = n;\n${strip(halvings)}\n}`;
    const rest = `unsigned long long m = ${o.triple};\n${strip(halvings)}\n++${odds};`;
    const even = `for (;;) {\n${first.slice(2, -2)}\nif (n == 1) break;\nn = ${o.triple};\n++${odds};\n}`;
    const walk = (i: string): string => `unsigned long long n = numbers[${i}];
      ${o.tally === "both" ? "int steps = 0;" : "int halvings = 0, odds = 0;"}
      ${o.order === "odd-first" ? `${first}\nwhile (n != 1) {\n${rest}\n}` : even}
      lengths[${i}] = ${o.tally === "both" ? "steps" : "halvings + odds"};`;
    const mapped = {
      one: `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${walk("i")}`,
      stride: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < COUNT; i += gridDim.x * blockDim.x) {\n${walk("i")}\n}`,
      pair: `const int i = blockIdx.x * blockDim.x + threadIdx.x;
        #pragma unroll
        for (int k = 0; k < 2; ++k) {\n${walk("i + k * (COUNT / 2)")}\n}`,
    }[o.map];
    const helper = on(
      o.helper && o.zeros !== "loop",
      `__device__ __forceinline__ int zerosOf(unsigned long long m) {\nreturn ${o.zeros === "loop" ? "0" : zeroCounts[o.zeros]};\n}\n`,
    );
    const source = `#define COUNT ${total}\n\n${helper}\nextern "C" __global__ void odd_to_odd(${pointers()}) {\n${mapped}\n}`;
    const blocks = { one: total / o.block, stride: (132 * 1024) / o.block, pair: total / o.block / 2 }[o.map];
    return styled(
      { source, launches: [launch("odd_to_odd", blocks, o.block, ["numbers", "lengths"])] },
      { names: "camel", indent: 2 },
    );
  },
});

function halvesStep(step: Step): string {
  const triple = `const unsigned int carry = __umulhi(low, 3u);
        const unsigned int product = low * 3u;
        low = product + 1u;
        high = high * 3u + carry + (low == 0u ? 1u : 0u);`;
  const half = "low = __funnelshift_r(low, high, 1);\nhigh >>= 1;";
  if (step === "zeros")
    return `${triple}
      ++steps;
      if (low == 0u) {
        low = high;
        high = 0u;
        steps += 32;
      }
      const int shift = __ffs(low) - 1;
      low = __funnelshift_r(low, high, shift);
      high >>= shift;
      steps += shift;`;
  if (step === "plain") return `if (low & 1u) {\n${triple}\n} else {\n${half}\n}\n++steps;`;
  return `if (low & 1u) {\n${triple}\n++steps;\n}\n${half}\n++steps;`;
}

/** Values below a third of 2^32 take 32-bit arithmetic. */
export const narrowWalk = template({
  id: "narrow-words",
  from: "trailing-zeros",
  idea: "Use 32-bit arithmetic while the value allows it and 64 bits where it does not",
  options: {
    way: ["alternate", "branch", "halves", "hand-over"],
    step: ["shortcut", "plain", "select", "zeros"],
    limit: ["constant", "high-word"],
    map: ["one", "stride"],
    read: ["numbers[i]", "__ldcs(numbers + i)"],
    bounds: [false, true],
    block: [256, 128, 512],
  },
  count: 28,
  write: (o, { n: total = 0 }) => {
    const fits = (v: string): string => (o.limit === "constant" ? `${v} <= 0x55555554u` : `(${v} >> 30) == 0`);
    const narrowLoop = `unsigned int n = (unsigned int)wide;
        while (n != 1u && ${fits("n")}) {
          ${advance(o.step, "n", "steps", true)}
        }
        wide = n;`;
    const start = `${ull} wide = ${o.read};\nint steps = 0;\n${begin(o.step, "wide")}`;
    const walk = {
      alternate: `${start}
        while (wide != 1) {
          if (${fits("wide")}) {
            ${narrowLoop}
          } else {
            ${advance(o.step, "wide")}
          }
        }`,
      branch: `${start}
        while (wide != 1) {
          if (${fits("wide")}) {
            unsigned int n = (unsigned int)wide;
            ${advance(o.step, "n", "steps", true)}
            wide = n;
          } else {
            ${advance(o.step, "wide")}
          }
        }`,
      "hand-over": `${start}
        {
          ${on(o.limit === "constant", `if (${fits("wide")}) {`, `if ((wide >> 30) == 0) {`)}
          ${narrowLoop}
          }
        }
        while (wide != 1) {
          ${advance(o.step, "wide")}
        }`,
      halves: `unsigned int low = ${o.read}, high = 0u;
        int steps = 0;
        ${on(o.step === "zeros", "steps = __ffs(low) - 1;\nlow >>= steps;")}
        while (low != 1u || high != 0u) {
          ${halvesStep(o.step)}
        }`,
    }[o.way];
    const body = `${walk}\nlengths[i] = steps;`;
    const mapped =
      o.map === "one"
        ? `const unsigned int i = blockIdx.x * ${o.block}u + threadIdx.x;\n${body}`
        : `for (unsigned int i = blockIdx.x * ${o.block}u + threadIdx.x; i < ${total}u; i += gridDim.x * ${o.block}u) {\n${body}\n}`;
    const bounds = on(o.bounds, `__launch_bounds__(${o.block}) `);
    const source = `extern "C" __global__ void ${bounds}walk_numbers(${pointers()}) {\n${mapped}\n}`;
    return styled(
      {
        source,
        launches: [
          launch("walk_numbers", (o.map === "one" ? total : 132 * 2048) / o.block, o.block, ["numbers", "lengths"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
