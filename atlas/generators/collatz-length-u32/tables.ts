import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { advance, begin, eachNumber, followLow, pointers, ull } from "./steps.ts";

type Layout = "pair" | "columns" | "word";

/** Shared arrays of a jump table, statements that fill entry r, and statements that jump n once. */
export function jumpTable(layout: Layout, narrow: boolean): { arrays: string; store: string; jump: string } {
  const product = narrow
    ? `(above <= 0xffffffffull ? (${ull})(unsigned int)above * times : above * times)`
    : "above * times";
  if (layout === "pair")
    return {
      arrays: "__shared__ uint2 jumps[SIZE];",
      store: "jumps[r] = make_uint2(factor | (odds << 24), value);",
      jump: `const ${ull} above = n >> BITS;
        const uint2 entry = jumps[n & (SIZE - 1)];
        const unsigned int times = entry.x & 0xffffffu;
        n = ${product} + entry.y;
        steps += BITS + (entry.x >> 24);`,
    };
  if (layout === "columns")
    return {
      arrays:
        "__shared__ unsigned int factors[SIZE];\n__shared__ unsigned int addends[SIZE];\n__shared__ unsigned char odd_steps[SIZE];",
      store: "factors[r] = factor;\naddends[r] = value;\nodd_steps[r] = odds;",
      jump: `const ${ull} above = n >> BITS;
        const int low = n & (SIZE - 1);
        const unsigned int times = factors[low];
        n = ${product} + addends[low];
        steps += BITS + odd_steps[low];`,
    };
  return {
    arrays: "__shared__ unsigned int jumps[SIZE];\n__shared__ unsigned int powers[BITS + 1];",
    store:
      "jumps[r] = value | ((unsigned int)odds << 24);\nif (r <= BITS) {\nunsigned int power = 1;\nfor (int k = 0; k < r; ++k) power *= 3;\npowers[r] = power;\n}",
    jump: `const ${ull} above = n >> BITS;
        const unsigned int entry = jumps[n & (SIZE - 1)];
        const unsigned int times = powers[entry >> 24];
        n = ${product} + (entry & 0xffffffu);
        steps += BITS + (entry >> 24);`,
  };
}

export type Ending = "table" | "plain" | "zeros";

/** The array of small lengths where the ending needs it, statements that fill entry r, and the ending of a walk below SIZE. */
export function ending(kind: Ending): { array: string; store: string; finish: string } {
  if (kind === "table")
    return {
      array: "__shared__ unsigned short small_lengths[SIZE];",
      store: `int m = r, length = 0;
        while (m > 1) {
          m = m & 1 ? 3 * m + 1 : m >> 1;
          ++length;
        }
        small_lengths[r] = length;`,
      finish: "steps += small_lengths[n];",
    };
  return {
    array: "",
    store: "",
    finish: `unsigned int rest = (unsigned int)n;
      ${begin(kind, "rest", "steps", true)}
      while (rest != 1u) {
        ${advance(kind, "rest", "steps", true)}
      }`,
  };
}

/** Several steps at a time by a table in shared memory that each block makes for itself. */
export const sharedJumps = template({
  id: "jumps-in-shared",
  from: "narrow-words",
  idea: "Take several steps at once: the low bits choose a factor and an addend from a table in shared memory",
  options: {
    layout: ["pair", "columns", "word"],
    ending: ["plain", "table", "zeros"],
    stride: [false, true],
    narrow: [false, true],
    unroll: [false, true],
    bits: [8, 6, 9, 10, 11],
    blocks: [4, 2, 8],
    block: [256, 512, 1024, 128],
  },
  valid: (o) => o.blocks * o.block <= 2048,
  count: 20,
  write: (o, { n: total = 0 }) => {
    const table = jumpTable(o.layout, o.narrow);
    const end = ending(o.ending);
    const walk = `${ull} n = numbers[i];
      unsigned int steps = 0;
      ${on(o.unroll, "#pragma unroll 2")}
      while (n >= SIZE) {
        ${table.jump}
      }
      ${end.finish}
      lengths[i] = steps;`;
    const source = `constexpr int COUNT = ${total};
      constexpr int BITS = ${o.bits};
      constexpr int SIZE = 1 << BITS;

      extern "C" __global__ void jump_walk(${pointers()}) {
        ${table.arrays}
        ${end.array}
        // What BITS halvings make of each low part, and how many of them follow an odd number.
        for (int r = threadIdx.x; r < SIZE; r += ${o.block}) {
          ${followLow("BITS")}
          ${table.store}
          ${end.store}
        }
        __syncthreads();
        ${eachNumber(o.stride, o.block, walk)}
      }
    `;
    const blocks = o.stride ? 132 * o.blocks : total / o.block;
    return styled(
      { source, launches: [launch("jump_walk", blocks, o.block, ["numbers", "lengths"])] },
      { names: "snake", indent: 2 },
    );
  },
});

interface Jump {
  readonly factor: number;
  readonly addend: number;
  readonly odds: number;
}

function jumpsOf(bits: number): Jump[] {
  return Array.from({ length: 1 << bits }, (_, low) => {
    let [addend, factor, odds] = [low, 1, 0];
    for (let k = 0; k < bits; k++) {
      if (addend % 2 === 1) [addend, factor, odds] = [(3 * addend + 1) / 2, 3 * factor, odds + 1];
      else addend /= 2;
    }
    return { factor, addend, odds };
  });
}

const listed = (jumps: readonly Jump[], entry: (jump: Jump) => string): string =>
  repeat(
    Math.ceil(jumps.length / 16),
    (row) =>
      jumps
        .slice(16 * row, 16 * row + 16)
        .map(entry)
        .join(", "),
    ",\n",
  );

/** Few steps at a time by a table that is written into the source. */
export const constantJumps = template({
  id: "jumps-in-constant",
  from: "trailing-zeros",
  idea: "Take a few steps at once by a small table in constant memory",
  options: {
    layout: ["vectors", "arrays", "packed"],
    place: ["constant", "copied", "global"],
    bits: [4, 5, 6, 7],
    ending: ["plain", "shortcut", "zeros"],
    stride: [false, true],
    block: [256, 128, 512],
  },
  count: 22,
  write: (o, { n: total = 0 }) => {
    const jumps = jumpsOf(o.bits);
    const size = jumps.length;
    const space = o.place === "global" ? "__device__ const" : "__constant__";
    const array = (type: string, name: string, entry: (jump: Jump) => string): string =>
      `${space} ${type} ${name}[${size}] = {\n${listed(jumps, entry)}\n};\n`;
    const fields =
      o.layout === "vectors"
        ? [
            [
              "int4",
              "kTable",
              ({ factor, addend, odds }: Jump) => `{${factor}, ${addend}, ${odds + o.bits}, 0}`,
            ] as const,
          ]
        : o.layout === "packed"
          ? [["int", "kTable", ({ addend, odds }: Jump) => `${addend * 16 + odds}`] as const]
          : [
              ["int", "kFactor", ({ factor }: Jump) => `${factor}`] as const,
              ["int", "kAddend", ({ addend }: Jump) => `${addend}`] as const,
              ["int", "kSteps", ({ odds }: Jump) => `${odds + o.bits}`] as const,
            ];
    const copied = o.place === "copied";
    const name = (k: string): string => on(copied, "s", "k") + k;
    const staging = on(
      copied,
      fields
        .map(([type, field]) => `__shared__ ${type} ${field.replace("k", "s")}[${size}];`)
        .concat(
          `for (int r = threadIdx.x; r < ${size}; r += blockDim.x) {`,
          ...fields.map(([, field]) => `${field.replace("k", "s")}[r] = ${field}[r];`),
          "}\n__syncthreads();",
        )
        .join("\n"),
    );
    const jump = {
      vectors: `const int4 row = ${name("Table")}[low];\nn = high * row.x + row.y;\nsteps += row.z;`,
      packed: `const int row = ${name("Table")}[low];
        int power = 1;
        #pragma unroll
        for (int k = 0; k < ${o.bits}; ++k) power *= k < (row & 15) ? 3 : 1;
        n = high * power + (row >> 4);
        steps += ${o.bits} + (row & 15);`,
      arrays: `n = high * ${name("Factor")}[low] + ${name("Addend")}[low];\nsteps += ${name("Steps")}[low];`,
    }[o.layout];
    const walk = `${ull} n = numbers[i];
      int steps = 0;
      while (n >= ${size}) {
        const int low = (int)(n & ${size - 1});
        const ${ull} high = n >> ${o.bits};
        ${jump}
      }
      ${begin(o.ending)}
      while (n > 1) {
        ${advance(o.ending)}
      }
      lengths[i] = steps;`;
    const source = `#define COUNT ${total}

      ${fields.map(([type, field, entry]) => array(type, field, entry)).join("\n")}
      extern "C" __global__ void collatz_table(${pointers()}) {
        ${staging}
        ${eachNumber(o.stride, o.block, walk)}
      }
    `;
    const blocks = o.stride ? (132 * 2048) / o.block : total / o.block;
    return styled(
      { source, launches: [launch("collatz_table", blocks, o.block, ["numbers", "lengths"])] },
      { names: "camel", indent: 4 },
    );
  },
});
