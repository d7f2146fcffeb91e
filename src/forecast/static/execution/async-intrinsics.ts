import type { Intrinsic } from "./intrinsics.ts";
import { laneOf, lanesFrom, type Lanes, type Mask } from "./lanes.ts";
import type { Run } from "./run.ts";
import { scalarType } from "./types.ts";
import { noValue, scalarOfValue } from "./values.ts";

/**
 * Copies words from global to shared memory; they arrive only when waited for. Bytes from `filled` on arrive as zeros.
 */
export function copyLater(run: Run, target: Lanes, source: Lanes, bytes: number, filled: Lanes): void {
  const { machine } = run;
  machine.checkAlignment(target, bytes);
  machine.checkAlignment(source, bytes);
  const { mask } = machine;
  const words: Lanes[] = [];
  for (let at = 0; at < bytes; at += 4) words.push(readWord(run, source, at, filled));
  (run.copies.at(-1) as (() => void)[]).push(() => {
    const before = machine.mask;
    machine.mask = mask;
    words.forEach((word, index) => machine.store(scalarType("u32"), shifted(target, 4 * index), word));
    machine.mask = before;
  });
  run.changes++;
}

function shifted(address: Lanes, by: number): Lanes {
  return typeof address === "number" ? address + by : address.map((at) => at + by);
}

function readWord(run: Run, source: Lanes, at: number, filled: Lanes): Lanes {
  const { machine } = run;
  const before = machine.mask;
  const active = before.active.slice();
  let count = 0;
  for (let lane = 0; lane < active.length; lane++) {
    if (active[lane] !== 0 && laneOf(filled, lane) <= at) active[lane] = 0;
    count += active[lane] as number;
  }
  if (count === 0) return 0;
  machine.mask = { active, count } satisfies Mask;
  const loaded = machine.load(scalarType("u32"), shifted(source, at));
  machine.mask = before;
  if (typeof loaded !== "number" || count === before.count) return loaded;
  return lanesFrom(active.length, (lane) => (active[lane] === 0 ? 0 : loaded));
}

export function commitCopies(run: Run): void {
  run.copies.push([]);
}

/** Lets all groups of copies arrive but the last `pending`. */
export function awaitCopies(run: Run, pending: number): void {
  const arriving = run.copies.splice(0, Math.max(0, run.copies.length - 1 - pending));
  if (run.copies.length === 0) run.copies.push([]);
  for (const group of arriving) for (const arrive of group) arrive();
}

const memcpyAsync: Intrinsic = (run, given) => {
  const [target, source, size, zeros] = given.map((value) => scalarOfValue(value).lanes);
  const bytes = run.machine.uniform(size as Lanes, "a copy's size");
  const filled =
    zeros === undefined ? bytes : typeof zeros === "number" ? bytes - zeros : zeros.map((zero) => bytes - zero);
  copyLater(run, target as Lanes, source as Lanes, bytes, filled);
  return noValue;
};

export const asyncIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ["__pipeline_memcpy_async", memcpyAsync],
  [
    "__pipeline_commit",
    (run) => {
      commitCopies(run);
      return noValue;
    },
  ],
  [
    "__pipeline_wait_prior",
    (run, given) => {
      awaitCopies(run, run.machine.uniform(scalarOfValue(given[0]).lanes, "a wait"));
      return noValue;
    },
  ],
]);
