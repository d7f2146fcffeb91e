import type { Lineup } from "./machine.ts";

export type Three = readonly [number, number, number];

/** Block or thread `index` of a shape, x fastest. */
function positionOf(index: number, [x, y]: Three): Three {
  return [index % x, Math.floor(index / x) % y, Math.floor(index / (x * y))];
}

export function sizeOf([x, y, z]: Three): number {
  return x * y * z;
}

/** All threads of some blocks of a launch, given by their linear numbers. */
export function wholeBlocks(grid: Three, block: Three, numbers: readonly number[]): Lineup {
  const size = sizeOf(block);
  const width = size * numbers.length;
  const blockOf = new Int32Array(width);
  const blocks: Three[] = [];
  const threads: Three[] = [];
  numbers.forEach((number, index) => {
    const position = positionOf(number, grid);
    for (let thread = 0; thread < size; thread++) {
      blockOf[index * size + thread] = index;
      blocks.push(position);
      threads.push(positionOf(thread, block));
    }
  });
  return { grid, block, blocks, threads, blockOf, blockCount: numbers.length, whole: true };
}

/** Single threads of a launch, given by their linear numbers over all blocks; each counts as a block of its own. */
export function singleThreads(grid: Three, block: Three, numbers: readonly number[]): Lineup {
  const size = sizeOf(block);
  return {
    grid,
    block,
    blocks: numbers.map((number) => positionOf(Math.floor(number / size), grid)),
    threads: numbers.map((number) => positionOf(number % size, block)),
    blockOf: Int32Array.from(numbers, (_, index) => index),
    blockCount: numbers.length,
    whole: false,
  };
}

const groupLanes = 256;

/** Blocks in groups that run together: of one block where blocks are large, as numbers that all threads share cost least. */
export function inGroups(numbers: readonly number[], block: Three): number[][] {
  const length = Math.max(1, Math.floor(groupLanes / sizeOf(block)));
  const count = Math.ceil(numbers.length / length);
  return Array.from({ length: count }, (_, group) => numbers.slice(group * length, (group + 1) * length));
}

const sampledLanes = 768;

/** The first block, the last, and one from the middle, as far as they may run together. */
export function sampleBlocks(grid: Three, block: Three): number[] {
  const blocks = sizeOf(grid);
  const room = Math.max(1, Math.floor(sampledLanes / sizeOf(block)));
  return [...new Set([0, blocks - 1, Math.floor(blocks / 2)])].slice(0, room);
}

/** Some threads of a launch by linear numbers: stretches of so many neighbours, one behind the other. */
export interface Stretches {
  readonly length: number;
  readonly numbers: readonly number[];
}

/** The first and the last threads of blocks from the first to the last; all of them where blocks are small. */
export function sampleThreads(grid: Three, block: Three, blocks: number, wanted: number): Stretches {
  const size = sizeOf(block);
  const length = size < 2 * wanted ? size : wanted;
  const starts = length === size ? [0] : [0, size - length];
  const numbers = spread(sizeOf(grid), blocks).flatMap((number) =>
    starts.flatMap((start) => Array.from({ length }, (_, index) => number * size + start + index)),
  );
  return { length, numbers };
}

/** Some of the numbers from 0 to `end` − 1, the first and the last among them. */
function spread(end: number, count: number): number[] {
  if (end <= count) return Array.from({ length: end }, (_, index) => index);
  return Array.from({ length: count }, (_, index) => Math.floor((index * (end - 1)) / (count - 1)));
}
