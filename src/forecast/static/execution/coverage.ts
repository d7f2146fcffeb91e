import type { GlobalBuffer, Watcher } from "./regions.ts";

/** Counts the elements of each output that each block (or thread) of a launch writes. */
export class CoverageCount {
  readonly #written = new Map<string, Map<number, number>>();

  /** Notes that a block or thread writes elements that this launch had not written before. */
  note(buffer: GlobalBuffer, fresh: number, number: number): void {
    const parts = this.#written.get(buffer.name) ?? new Map<number, number>();
    this.#written.set(buffer.name, parts.set(number, (parts.get(number) ?? 0) + fresh));
  }

  watcher(numberOf: (lane: number) => number): Watcher {
    return {
      write: (buffer, _offset, lane, fresh) => {
        if (fresh > 0 && buffer.argument.role === "out") this.note(buffer, fresh, numberOf(lane));
      },
    };
  }

  /** The most elements of a buffer that all blocks (or threads) can write if none writes more than those that ran. */
  most(name: string, count: number): number {
    return Math.max(0, ...(this.#written.get(name)?.values() ?? [])) * count;
  }
}

/**
 * Smallest share of an output that a kernel's launches can write, at most 1. NaN without outputs, and where blocks agree by
 * atomics which of them writes.
 */
export function coverageOf(
  buffers: readonly GlobalBuffer[],
  counts: readonly { readonly count: CoverageCount; readonly parts: number }[],
): number {
  const outputs = buffers.filter(({ argument }) => argument.role === "out");
  if (outputs.length === 0 || buffers.some(({ atomic }) => atomic)) return Number.NaN;
  const shares = outputs.map(({ name, bytes, elementBytes }) => {
    const most = counts.reduce((sum, { count, parts }) => sum + count.most(name, parts), 0);
    return most / (bytes / elementBytes);
  });
  return Math.min(1, ...shares);
}
