import type { Tolerance } from "../../../domain/index.ts";
import { accessOf } from "./bytes.ts";
import { scalarOf } from "./inputs.ts";
import { pageBytes } from "./pages.ts";
import type { GlobalBuffer } from "./regions.ts";
import type { SeedOracle } from "./seed-oracle.ts";
import { scalarType } from "./types.ts";

/** How far a kernel's outputs agree with the seed kernel's where both are known. */
export interface Agreement {
  readonly compared: number;
  readonly differing: number;
  /** The first that differs, for people. */
  readonly text: string;
}

/** Working kernels round in another order than the seed kernel does. */
const slack = 4;

/**
 * Compares what a kernel has written of its outputs, as the last launch that writes each has left it; `sums` are those to
 * which several blocks add, all of which have run.
 */
export function compareOutputs(
  buffers: readonly GlobalBuffer[],
  oracle: SeedOracle,
  tolerance: Tolerance,
  sums: ReadonlySet<string>,
): Agreement {
  let compared = 0;
  let differing = 0;
  let text = "";
  for (const buffer of buffers) {
    const { role } = buffer.argument;
    if ((role !== "out" && role !== "inout") || (buffer.atomic && !sums.has(buffer.name))) continue;
    const elements = chooseElements(buffer, oracle.elements);
    const access = accessOf(scalarType(scalarOf(buffer.argument.dtype)));
    oracle.values(buffer.name, elements).forEach((wanted, index) => {
      if (wanted === undefined) return;
      const element = elements[index] as number;
      const found = buffer.valueOf(element, access);
      compared++;
      if (agrees(found, wanted, tolerance)) return;
      differing++;
      text ||= `writes ${found} to ${buffer.name}[${element}], where the seed kernel writes ${wanted}`;
    });
  }
  return { compared, differing, text };
}

function agrees(found: number, wanted: number, tolerance: Tolerance): boolean {
  if (Number.isNaN(wanted) || Number.isNaN(found)) return Number.isNaN(wanted) && Number.isNaN(found);
  if (found === wanted) return true;
  if (tolerance.type === "exact") return false;
  return Math.abs(found - wanted) <= slack * (tolerance.atol + tolerance.rtol * Math.abs(wanted));
}

/** Some of the elements written, the same ones whichever kernel wrote them: those of lowest rank. */
function chooseElements(buffer: GlobalBuffer, count: number): number[] {
  const elements = writtenElements(buffer);
  const limit = 2 ** 32 * Math.min(1, (enough * count) / elements.length);
  const low = elements.filter((element) => rankOf(element) < limit);
  return (low.length < count ? elements : low).toSorted((a, b) => rankOf(a) - rankOf(b)).slice(0, count);
}

/** Ranks are as good as random: among so many times as many elements as are wanted, there are enough of low rank. */
const enough = 4;

function rankOf(element: number): number {
  return Math.imul(element ^ 0x5bd1e995, 0x9e3779b1) >>> 0;
}

/** Elements that the last launch to write to a buffer has written. */
function writtenElements({ pages, lastWriter, elementBytes }: GlobalBuffer): number[] {
  const elements: number[] = [];
  for (const [index, { shared, writers, base }] of pages) {
    if (shared || lastWriter === 0) continue;
    for (let at = 0; at < pageBytes; at += elementBytes) {
      if (writers[base + at] === lastWriter) elements.push((index * pageBytes + at) / elementBytes);
    }
  }
  return elements;
}
