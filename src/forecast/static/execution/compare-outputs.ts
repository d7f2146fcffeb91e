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

/** Some of the elements written, the same ones whichever kernel wrote them. */
function chooseElements(buffer: GlobalBuffer, count: number): number[] {
  const ranked: { readonly element: number; readonly rank: number }[] = [];
  for (const [index, page] of buffer.pages) {
    if (page.shared) continue;
    for (let at = 0; at < pageBytes; at += buffer.elementBytes) {
      const writer = page.writers[page.base + at];
      if (writer === 0 || writer !== buffer.lastWriter) continue;
      const element = (index * pageBytes + at) / buffer.elementBytes;
      ranked.push({ element, rank: Math.imul(element ^ 0x5bd1e995, 0x9e3779b1) >>> 0 });
    }
  }
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, count).map(({ element }) => element);
}
