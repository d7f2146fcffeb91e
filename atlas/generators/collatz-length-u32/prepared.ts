import { launch, on, styled, template } from "../kit/code.ts";
import { advance, begin, eachNumber, followLow, pointers, steps, ull } from "./steps.ts";

/** A jump table that a first launch leaves in memory. */
export const preparedJumps = template({
  id: "jumps-prepared",
  from: "jumps-in-shared",
  idea: "Let a first launch write a large jump table, read through the caches",
  options: {
    layout: ["pairs", "columns", "quads"],
    ending: ["plain", "shortcut", "zeros", "lengths"],
    read: ["plain", "__ldg", "__ldcg"],
    stride: [false, true],
    bits: [10, 8, 12, 14, 16],
    block: [256, 128, 512, 1024],
  },
  valid: (o) => o.layout !== "quads" || o.bits <= 14,
  count: 28,
  write: (o, { n: total = 0 }) => {
    const cell = (place: string): string => (o.read === "plain" ? place : `${o.read}(&${place})`);
    const store = {
      pairs: "reinterpret_cast<uint2*>(table)[r] = make_uint2(factor | (odds << 27), value);",
      columns: "table[r] = factor | (odds << 27);\ntable[SIZE + r] = value;",
      quads: "reinterpret_cast<uint4*>(table)[r] = make_uint4(factor, value, BITS + odds, length);",
    }[o.layout];
    const entry = {
      pairs: `const uint2 entry = ${cell("reinterpret_cast<const uint2*>(table)[low]")};
        n = (n >> BITS) * (entry.x & 0x7ffffffu) + entry.y;
        steps += BITS + (entry.x >> 27);`,
      columns: `const unsigned int head = ${cell("table[low]")};
        n = (n >> BITS) * (head & 0x7ffffffu) + ${cell("table[SIZE + low]")};
        steps += BITS + (head >> 27);`,
      quads: `const uint4 entry = ${cell("reinterpret_cast<const uint4*>(table)[low]")};
        n = (n >> BITS) * entry.x + entry.y;
        steps += entry.z;`,
    }[o.layout];
    const lengthOf = o.layout === "quads" ? "reinterpret_cast<const uint4*>(table)[n].w" : "table[2 * SIZE + n]";
    const finish =
      o.ending === "lengths"
        ? `steps += ${o.layout === "quads" ? lengthOf : cell(lengthOf)};`
        : `${begin(o.ending)}
          while (n != 1) {
            ${advance(o.ending)}
          }`;
    const source = `#define COUNT ${total}
      #define BITS ${o.bits}
      #define SIZE (1 << BITS)

      extern "C" __global__ void write_table(unsigned int* table) {
        const unsigned int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r >= SIZE) return;
        ${followLow("BITS")}
        unsigned int at = r, length = 0;
        while (at > 1) {
          at = at & 1 ? 3 * at + 1 : at >> 1;
          ++length;
        }
        ${store}
        ${on(o.layout !== "quads", "table[2 * SIZE + r] = length;")}
      }

      extern "C" __global__ void use_table(${pointers()}, const unsigned int* __restrict__ table) {
        ${eachNumber(
          o.stride,
          o.block,
          `${ull} n = numbers[i];
          unsigned int steps = 0;
          while (n >= SIZE) {
            const unsigned int low = (unsigned int)n & (SIZE - 1);
            ${entry}
          }
          ${finish}
          lengths[i] = steps;`,
        )}
      }
    `;
    const blocks = o.stride ? (132 * 2048) / o.block : total / o.block;
    return styled(
      {
        source,
        launches: [
          launch("write_table", Math.ceil((1 << o.bits) / 128), 128, ["table"]),
          launch("use_table", blocks, o.block, ["numbers", "lengths", "table"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** Single steps until a value is small enough that its length is known. */
export const knownEndings = template({
  id: "known-endings",
  from: "trailing-zeros",
  idea: "Tabulate the lengths of all small numbers first and stop a walk when it becomes small",
  options: {
    step: steps,
    width: ["unsigned int", "unsigned short"],
    shared: [false, true],
    read: ["plain", "__ldg"],
    build: ["walk", "odd-to-odd"],
    stride: [false, true],
    bits: [12, 10, 14, 16, 18],
    block: [256, 128, 512],
  },
  valid: (o) => (!o.shared || o.bits <= (o.width === "unsigned int" ? 12 : 14)) && (!o.shared || o.stride),
  count: 28,
  write: (o, { n: total = 0 }) => {
    const known = o.shared ? "near[n]" : o.read === "plain" ? "table[n]" : "__ldg(table + n)";
    const build =
      o.build === "walk"
        ? `${ull} m = r;
          int length = 0;
          while (m > 1) {
            m = m & 1 ? 3 * m + 1 : m >> 1;
            ++length;
          }`
        : `${ull} m = r > 0 ? r : 1;
          int length = 0;
          ${begin("zeros", "m", "length")}
          while (m != 1) {
            ${advance("zeros", "m", "length")}
          }`;
    const source = `const int kCount = ${total};
      const int kSmall = 1 << ${o.bits};

      extern "C" __global__ void small_numbers(${o.width}* table) {
        const unsigned int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r < kSmall) {
          ${build}
          table[r] = length;
        }
      }

      extern "C" __global__ void large_numbers(${pointers()}, const ${o.width}* __restrict__ table) {
        ${on(
          o.shared,
          `__shared__ ${o.width} near[kSmall];
          for (int r = threadIdx.x; r < kSmall; r += ${o.block}) near[r] = table[r];
          __syncthreads();`,
        )}
        ${eachNumber(
          o.stride,
          o.block,
          `${ull} n = numbers[i];
          int steps = 0;
          ${begin(o.step)}
          while (n >= kSmall) {
            ${advance(o.step)}
          }
          lengths[i] = steps + ${known};`,
        ).replaceAll("COUNT", "kCount")}
      }
    `;
    const blocks = o.stride ? (132 * 1024) / o.block : total / o.block;
    return styled(
      {
        source,
        launches: [
          launch("small_numbers", Math.ceil((1 << o.bits) / 256), 256, ["table"]),
          launch("large_numbers", blocks, o.block, ["numbers", "lengths", "table"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
