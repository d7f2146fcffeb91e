import type { KernelDraft } from "../kit/generator.ts";
import { launch, on, repeat } from "../kit/code.ts";

export type Load = "byte" | "word" | "pair" | "quad";
export type Extract = "shift" | "perm" | "loop" | "consume" | "bytes";
export type Walk = "stride" | "chunk" | "own" | "prefetch" | "batch";

export const widthOf: Readonly<Record<Load, number>> = { byte: 1, word: 4, pair: 8, quad: 16 };
export const typeOf: Readonly<Record<Load, string>> = {
  byte: "unsigned char",
  word: "unsigned int",
  pair: "uint2",
  quad: "uint4",
};

/** Statements for each byte of `item`, which has the type of `load`. */
export function eachByte(load: Load, extract: Extract, item: string, line: (value: string) => string): string {
  if (load === "byte") return line(item);
  if (extract === "bytes") {
    return `const unsigned char* parts = reinterpret_cast<const unsigned char*>(&${item});
      #pragma unroll
      for (int k = 0; k < ${widthOf[load]}; ++k) {
        ${line("parts[k]")}
      }`;
  }
  const names = load === "word" ? [""] : load === "pair" ? [".x", ".y"] : [".x", ".y", ".z", ".w"];
  return names.map((name) => eachOfWord(extract, item + name, line)).join("\n");
}

function eachOfWord(extract: Exclude<Extract, "bytes">, word: string, line: (value: string) => string): string {
  const shifted = [`(${word} & 255u)`, `((${word} >> 8) & 255u)`, `((${word} >> 16) & 255u)`, `(${word} >> 24)`];
  return {
    shift: (): string => shifted.map(line).join("\n"),
    perm: (): string => repeat(4, (k) => line(`__byte_perm(${word}, 0u, 0x444${k}u)`)),
    loop: (): string => `#pragma unroll
        for (int k = 0; k < 4; ++k) {
          ${line(`((${word} >> (8 * k)) & 0xffu)`)}
        }`,
    consume: (): string => `#pragma unroll
        for (int k = 0; k < 4; ++k, ${word} >>= 8) {
          ${line(`(${word} & 0xffu)`)}
        }`,
  }[extract]();
}

export interface Walking {
  readonly walk: Walk;
  readonly load: Load;
  readonly read?: (place: string) => string;
  readonly body: (item: string) => string;
  readonly index?: string;
}

/** A loop over the COUNT items at `in` by gridDim.x blocks of BLOCK threads; the items' type is that of `load`. */
export function walkItems({ walk, load, read = (place) => place, body, index = "int" }: Walking): string {
  const type = typeOf[load];
  const visit = (place: string): string => `{\n${type} item = ${read(place)};\n${body("item")}\n}`;
  const walks: Readonly<Record<Walk, () => string>> = {
    stride: () =>
      `for (${index} i = blockIdx.x * BLOCK + threadIdx.x; i < COUNT; i += gridDim.x * BLOCK) ${visit("in[i]")}`,
    chunk: () => `${index} share = (COUNT + gridDim.x - 1) / gridDim.x;
        ${index} end = (blockIdx.x + 1) * share < COUNT ? (blockIdx.x + 1) * share : COUNT;
        for (${index} i = blockIdx.x * share + threadIdx.x; i < end; i += BLOCK) ${visit("in[i]")}`,
    own: () => `${index} share = (COUNT + gridDim.x * BLOCK - 1) / (gridDim.x * BLOCK);
        ${index} start = (blockIdx.x * BLOCK + threadIdx.x) * share;
        for (${index} i = start; i < start + share && i < COUNT; ++i) ${visit("in[i]")}`,
    prefetch: () => `${index} i = blockIdx.x * BLOCK + threadIdx.x;
        ${index} step = gridDim.x * BLOCK;
        if (i < COUNT) {
          ${type} following = ${read("in[i]")};
          while (i < COUNT) {
            ${type} item = following;
            i += step;
            if (i < COUNT) following = ${read("in[i]")};
            ${body("item")}
          }
        }`,
    batch: () => `${index} step = gridDim.x * BLOCK;
        ${index} i = blockIdx.x * BLOCK + threadIdx.x;
        for (; i + 3 * step < COUNT; i += 4 * step) {
          ${repeat(4, (k) => `${type} item${k} = ${read(k === 0 ? "in[i]" : `in[i + ${k} * step]`)};`)}
          ${repeat(4, (k) => `{\n${body(`item${k}`)}\n}`)}
        }
        for (; i < COUNT; i += step) ${visit("in[i]")}`,
  };
  return walks[walk]();
}

/** A kernel that clears the 256 counters. */
export function clearing(name: string, bins: string): string {
  return `
    extern "C" __global__ void ${name}(unsigned int* ${bins}) {
      ${bins}[threadIdx.x] = 0u;
    }
  `;
}

export const reader = (kind: "plain" | "ldg" | "streaming"): ((place: string) => string) =>
  kind === "plain" ? (place) => place : (place) => `${kind === "ldg" ? "__ldg" : "__ldcs"}(&${place})`;

/** Adds the clearing kernel before the counting one. */
export function clearedFirst(
  source: string,
  clear: string,
  count: string,
  grid: number,
  block: number,
  smemBytes = 0,
): KernelDraft {
  return {
    source,
    launches: [launch(clear, 1, 256, ["bins"]), launch(count, grid, block, ["x", "bins"], smemBytes)],
  };
}

export const restricted = (condition: boolean): string => on(condition, " __restrict__");
