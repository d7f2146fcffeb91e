/** Short reasons that can be taught: what a prompt shows of a kernel, beside the measured kernel's. */
import type { Evidence, Kernel, Launch, Names } from "../../domain/index.ts";
import { boundLaunch } from "../../forecast/llm/prompt/describe-kernel.ts";

/** A kernel as a prompt shows it. */
export interface ShownKernel {
  readonly kernel: Kernel;
  readonly evidence?: Evidence | undefined;
}

/** Differences that are told, the largest first. */
const mostTold = 4;

/** Apart by less than this in log2, figures are alike. */
const alike = 0.05;

/**
 * How a kernel's launch and what the compiler said of it differ from a measured kernel's. All of it follows from the prompt; why a
 * difference matters it does not say, for nobody measured that.
 */
export function comparisonReason(shown: ShownKernel, measured: ShownKernel, label: string, sizes: Names): string {
  const own = figures(shown, sizes);
  const theirs = figures(measured, sizes);
  const told = [...own]
    .flatMap(([name, value]) => {
      const other = theirs.get(name);
      // Occupancy is of 1, the others are counts.
      const unit = name === "occupancy" ? 0.01 : 1;
      const distance = other === undefined ? 0 : Math.abs(Math.log2((value + unit) / (other + unit)));
      return distance > alike ? [{ text: `${name} ${value}, not ${other}`, distance }] : [];
    })
    .toSorted((a, b) => b.distance - a.distance)
    .slice(0, mostTold);
  return told.length === 0 ? `same figures as ${label}` : `beside ${label}: ${told.map((one) => one.text).join("; ")}`;
}

function figures({ kernel, evidence = {} }: ShownKernel, sizes: Names): Map<string, number> {
  const { regs, staticSmem, spillBytes, occupancy } = evidence;
  const [launch] = kernel.launches;
  const bound = launch && boundLaunch(launch, sizes);
  const known: (readonly [string, number | undefined])[] = [
    ["launches", kernel.launches.length],
    ["blocks", bound && product(bound.grid)],
    ["threads a block", bound && product(bound.block)],
    ["registers", regs],
    ["B shared", staticSmem],
    ["B spilled", spillBytes],
    ["occupancy", occupancy === undefined ? undefined : Number(occupancy.toFixed(2))],
  ];
  return new Map(known.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/** Of a launch's extents, where they are numbers. */
function product(extents: Launch["grid"]): number | undefined {
  const sizes = extents.map(Number);
  return sizes.every(Number.isFinite) ? sizes.reduce((total, one) => total * one, 1) : undefined;
}
