import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

/** Finds among the heads of the `usable` runs the smallest: run `best` with its `value`. */
function smallestHead(pick: "scan" | "pairs" | "groups", unroll: string, usable: (r: string) => string): string {
  return {
    scan: `
        int best = -1, value = 0;
        ${unroll}
        for (int r = 0; r < 16; ++r) {
          if (${usable("r")} && (best < 0 || head[r] < value)) {
            best = r;
            value = head[r];
          }
        }`,
    pairs: `
        int best = -1, value = 0;
        ${unroll}
        for (int r = 0; r < 16; r += 2) {
          int winner = r;
          if (!(${usable("r")}) || (${usable("(r + 1)")} && head[r + 1] < head[r])) winner = r + 1;
          const int key = winner == r ? head[r] : head[r + 1];
          const bool can = winner == r ? true : (bool)(${usable("(r + 1)")});
          if (can && (best < 0 || key < value)) {
            best = winner;
            value = key;
          }
        }`,
    groups: `
        int best = -1, value = 0;
        ${unroll}
        for (int group = 0; group < 16; group += 4) {
          int inner = -1, key = 0;
          ${unroll}
          for (int r = group; r < group + 4; ++r) {
            if (${usable("r")} && (inner < 0 || head[r] < key)) {
              inner = r;
              key = head[r];
            }
          }
          if (inner >= 0 && (best < 0 || key < value)) {
            best = inner;
            value = key;
          }
        }`,
  }[pick];
}

/** A thread per row with the heads of its runs. */
export const serialHeads: Template = template({
  id: "serial-heads",
  from: null,
  idea: "Hold the heads of a row's runs in the thread that merges them instead of reading them for each comparison.",
  options: {
    pick: ["scan", "pairs", "groups"],
    heads: ["local", "registers"],
    write: ["single", "quad"],
    end: ["sentinel", "checked"],
    read: ["plain", "ldg"],
    pointer: ["index", "pointer"],
    block: [32, 64, 16],
  },
  count: 26,
  write: ({ pick, heads, write, end, read, pointer, block }, { rows = 0 }) => {
    const at = (r: string): string =>
      pointer === "index" ? `in[${r} * 256 + taken[${r}]]` : `*(in + ${r} * 256 + taken[${r}])`;
    const load = (r: string): string =>
      read === "ldg" ? `__ldg(${pointer === "index" ? `&${at(r)}` : at(r).slice(1)})` : at(r);
    const unroll = heads === "registers" ? "#pragma unroll" : "#pragma unroll 1";
    const next =
      end === "sentinel"
        ? (r: string): string => `head[${r}] = taken[${r}] < 256 ? ${load(r)} : 0x7fffffff;`
        : (r: string): string => `if (taken[${r}] < 256) head[${r}] = ${load(r)};\nelse open &= ~(1u << ${r});`;
    const usable = (r: string): string => (end === "sentinel" ? `taken[${r}] < 256` : `(open >> ${r} & 1u)`);
    const choose = smallestHead(pick, unroll, usable);
    const advance =
      heads === "registers"
        ? `
          #pragma unroll
          for (int r = 0; r < 16; ++r) {
            if (r == best) {
              ++taken[r];
              ${next("r")}
            }
          }`
        : `
          ++taken[best];
          ${next("best")}`;
    const one = `${choose}\n${advance}`;
    const body =
      write === "single"
        ? `
          for (int i = 0; i < 4096; ++i) {
            ${one}
            out[i] = value;
          }`
        : `
          for (int i = 0; i < 4096; i += 4) {
            int4 four;
            ${["x", "y", "z", "w"].map((part) => `{\n${one}\nfour.${part} = value;\n}`).join("\n")}
            *reinterpret_cast<int4*>(out + i) = four;
          }`;
    const source = `
      extern "C" __global__ void merge_heads(const int* ${on(read === "ldg", "__restrict__ ")}x, int* y) {
        const int row = blockIdx.x * blockDim.x + threadIdx.x;
        const int* in = x + row * 4096;
        int* out = y + row * 4096;
        int taken[16], head[16];
        ${on(end === "checked", "unsigned int open = 0xffffu;")}
        ${unroll}
        for (int r = 0; r < 16; ++r) {
          taken[r] = 0;
          head[r] = in[r * 256];
        }
        ${body}
      }
    `;
    return styled(
      { source, launches: [launch("merge_heads", rows / block, block, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The smallest of the lanes' heads, `value`, and whether it is the lane's own, `wins`. */
function laneMinimum(smallest: "instruction" | "shuffle", owner: "ballot" | "packed", two: boolean): string {
  const steps = two ? [8, 4, 2, 1] : [16, 8, 4, 2, 1];
  const reduce =
    smallest === "instruction"
      ? `const int value = __reduce_min_sync(${two ? "half_mask" : "0xffffffffu"}, head);`
      : owner === "packed"
        ? `
            // The value with its lane below it; the lane decides between equal ones.
            long long key = (long long)head * 32 + (taken < 256 ? slot : 31);
            ${repeat(steps.length, (k) => `key = min(key, __shfl_xor_sync(0xffffffffu, key, ${steps[k]}));`)}
            const int value = (int)(key >> 5);`
        : `
            int value = head;
            ${repeat(steps.length, (k) => `value = min(value, __shfl_xor_sync(0xffffffffu, value, ${steps[k]}));`)}`;
  const wins =
    owner === "packed"
      ? "const bool wins = (int)(key & 31) == slot && taken < 256;"
      : `
          const unsigned int able = __ballot_sync(0xffffffffu, head == value && taken < 256)${two ? " & half_mask" : " & 0xffffu"};
          const bool wins = lane == __ffs(able) - 1;`;
  return `${reduce}\n${wins}`;
}

/** Lanes hold the heads of a row. */
export const laneHeads: Template = template({
  id: "lane-heads",
  from: "serial-heads",
  idea: "Let 16 lanes hold the heads of a row's runs and find the smallest among them as a warp.",
  options: {
    smallest: ["instruction", "shuffle"],
    owner: ["ballot", "packed"],
    rows: ["one", "two"],
    write: ["winner", "gathered"],
    feed: ["memory", "ahead", "shared"],
    unroll: [false, true],
    block: [64, 128, 32],
  },
  valid: ({ feed, block, smallest, owner }) =>
    !(feed === "shared" && block === 128) && !(smallest === "instruction" && owner === "packed"),
  count: 28,
  write: ({ smallest, owner, rows: rowsOf, write, feed, unroll, block }, { rows = 0 }) => {
    const two = rowsOf === "two";
    const perBlock = (block / 32) * (two ? 2 : 1);
    const smallestOfLanes = laneMinimum(smallest, owner, two);
    const fetch = feed === "shared" ? "cells[place + taken]" : "run[taken]";
    const advance =
      feed === "ahead"
        ? `
          ++taken;
          head = taken < 256 ? following : 0x7fffffff;
          following = run[min(taken + 1, 255)];`
        : `
          ++taken;
          head = taken < 256 ? ${fetch} : 0x7fffffff;`;
    const group = two ? 16 : 32;
    const store =
      write === "winner"
        ? "if (wins) out[i] = value;"
        : `
          if ((i & ${group - 1}) == ${two ? "slot" : "lane"}) kept = value;
          if ((i & ${group - 1}) == ${group - 1}) out[i - ${group - 1} + ${two ? "slot" : "lane"}] = kept;`;
    const source = `
      extern "C" __global__ void merge_lanes(const int* __restrict__ x, int* __restrict__ y) {
        const int lane = threadIdx.x & 31, slot = lane & 15;
        const int row = (blockIdx.x * ${block} + threadIdx.x) / ${two ? 16 : 32};
        ${on(two && (smallest === "instruction" || owner === "ballot"), "const unsigned int half_mask = lane < 16 ? 0x0000ffffu : 0xffff0000u;")}
        const int* run = x + row * 4096 + slot * 256;
        int* out = y + row * 4096;
        ${on(
          feed === "shared",
          `extern __shared__ int cells[];
          for (int i = threadIdx.x; i < ${perBlock * 4096}; i += ${block}) {
            const int index = i / 256 * 257 + i % 256;
            cells[index] = x[blockIdx.x * ${perBlock * 4096} + i];
          }
          __syncthreads();
          const int place = (row % ${perBlock} * 16 + slot) * 257;`,
        )}
        int taken = 0;
        int head = ${feed === "shared" ? "cells[place]" : "run[0]"};
        ${on(feed === "ahead", "int following = run[1];")}
        ${on(!two, "if (lane >= 16) {\n// The upper lanes take part in the warp's operations only.\nhead = 0x7fffffff;\ntaken = 256;\n}")}
        ${on(write === "gathered", "int kept = 0;")}
        ${unroll ? "#pragma unroll 4" : "#pragma unroll 1"}
        for (int i = 0; i < 4096; ++i) {
          ${smallestOfLanes}
          ${store}
          if (wins) {
            ${advance}
          }
        }
      }
    `;
    const bytes = feed === "shared" ? perBlock * 16 * 257 * 4 : 0;
    return styled(
      { source, launches: [launch("merge_lanes", rows / perBlock, block, ["x", "y"], bytes)] },
      { names: "camel", indent: 2 },
    );
  },
});
