import type { Intrinsic } from "./intrinsics.ts";
import { laneOf, lanesFrom, zeroLanes, type Lanes } from "./lanes.ts";
import { Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { noValue, scalarOfValue, scalarValue, type ScalarValue, type Value } from "./values.ts";

const lanesPerWarp = 32;

/** Which lane of its part of the warp a lane reads from, given its own and the argument; itself beyond the part. */
type Source = (lane: number, argument: number, width: number) => number;

const sources: Readonly<Record<string, Source>> = {
  __shfl_sync: (lane, argument, width) => lane - (lane % width) + (((argument % width) + width) % width),
  __shfl_xor_sync: (lane, argument, width) => within(lane, lane ^ argument, width),
  __shfl_down_sync: (lane, argument, width) => within(lane, lane + argument, width),
  __shfl_up_sync: (lane, argument, width) => (lane - argument < lane - (lane % width) ? lane : lane - argument),
};

function within(lane: number, other: number, width: number): number {
  return other < lane - (lane % width) + width ? other : lane;
}

export function needWarps(run: Run): void {
  if (!run.machine.lineup.whole) throw new Unsupported("threads alone that need their warp");
}

function shuffle(source: Source): Intrinsic {
  return (run, given) => {
    needWarps(run);
    const value = given[1] as Value;
    const argument = scalarOfValue(given[2]).lanes;
    const width = given[3] ? run.machine.uniform(scalarOfValue(given[3]).lanes, "a shuffle's width") : lanesPerWarp;
    return shuffled(run, value, argument, width, source);
  };
}

function shuffled(run: Run, value: Value, argument: Lanes, width: number, source: Source): Value {
  if (value.kind === "record") {
    return { ...value, fields: value.fields.map((field) => shuffled(run, field, argument, width, source)) };
  }
  const given = scalarOfValue(value);
  if (typeof given.lanes === "number") return given;
  const { warpStart, width: lanes } = run.machine;
  const result = zeroLanes(lanes);
  for (let lane = 0; lane < lanes; lane++) {
    const start = warpStart[lane] as number;
    const from = start + source(lane - start, laneOf(argument, lane), width);
    result[lane] = (from < lanes ? given.lanes[from] : given.lanes[lane]) as number;
  }
  return { ...given, lanes: result };
}

/** Goes over the running lanes of each warp together. */
function byWarp(run: Run, each: (lanes: readonly number[], start: number) => void): void {
  needWarps(run);
  const { warpStart, width, mask } = run.machine;
  let lanes: number[] = [];
  let start = 0;
  for (let lane = 0; lane < width; lane++) {
    if (warpStart[lane] !== start) {
      if (lanes.length > 0) each(lanes, start);
      lanes = [];
      start = warpStart[lane] as number;
    }
    if (mask.active[lane] !== 0) lanes.push(lane);
  }
  if (lanes.length > 0) each(lanes, start);
}

/** A figure that the running lanes of a warp share, from the lanes' values and the mask they name. */
function together(
  run: Run,
  given: readonly Value[],
  result: ScalarValue["type"] & { kind: "scalar" },
  figure: (values: readonly number[], places: readonly number[]) => number,
): ScalarValue {
  const value = scalarOfValue(given.at(-1)).lanes;
  const mask = given.length > 1 ? scalarOfValue(given[0]).lanes : 0xffffffff;
  const lanes = zeroLanes(run.machine.width);
  byWarp(run, (members, start) => {
    const named = members.filter((lane) => (laneOf(mask, members[0] as number) >>> (lane - start)) & 1);
    const found = figure(
      named.map((lane) => laneOf(value, lane)),
      named.map((lane) => lane - start),
    );
    for (const lane of members) lanes[lane] = found;
  });
  return scalarValue(lanes, result.name);
}

function bitsWhere(values: readonly number[], places: readonly number[], wanted: (value: number) => boolean): number {
  return places.reduce((bits, place, index) => (wanted(values[index] as number) ? bits | (1 << place) : bits), 0) >>> 0;
}

const unsigned = scalarValue(0, "u32").type as ScalarValue["type"] & { kind: "scalar" };

const ballot: Intrinsic = (run, given) =>
  together(run, given, unsigned, (values, places) => bitsWhere(values, places, (value) => value !== 0));

const any: Intrinsic = (run, given) =>
  together(run, given, unsigned, (values) => (values.some((x) => x !== 0) ? 1 : 0));

const all: Intrinsic = (run, given) =>
  together(run, given, unsigned, (values) => (values.every((x) => x !== 0) ? 1 : 0));

function reduce(operation: (x: number, y: number) => number): Intrinsic {
  return (run, given) => {
    const { type } = scalarOfValue(given[1]);
    if (type.kind !== "scalar") throw new Unsupported("a reduction of pointers");
    const result = type.bytes < 4 ? unsigned : type;
    const signed = result.name === "i32";
    return together(run, given, result, (values) => {
      const found = values.reduce((x, y) => operation(x, y));
      return signed ? found | 0 : found >>> 0;
    });
  };
}

const matches: Intrinsic = (run, given) => {
  const value = scalarOfValue(given[1]).lanes;
  const lanes = zeroLanes(run.machine.width);
  byWarp(run, (members, start) => {
    const places = members.map((lane) => lane - start);
    const values = members.map((lane) => laneOf(value, lane));
    for (const lane of members) lanes[lane] = bitsWhere(values, places, (other) => other === laneOf(value, lane));
  });
  return scalarValue(lanes, "u32");
};

const activeMask: Intrinsic = (run) => {
  const lanes = zeroLanes(run.machine.width);
  byWarp(run, (members, start) => {
    const bits = members.reduce((sum, lane) => sum | (1 << (lane - start)), 0) >>> 0;
    for (const lane of members) lanes[lane] = bits;
  });
  return scalarValue(lanes, "u32");
};

function barrier(run: Run): void {
  needWarps(run);
  run.machine.barrier();
}

/** A barrier that also tells what the block's threads say. */
function votingBarrier(figure: (count: number, threads: number) => number): Intrinsic {
  return (run, given) => {
    barrier(run);
    const { machine } = run;
    const value = scalarOfValue(given[0]).lanes;
    const counts = new Float64Array(machine.epochs.length);
    const threads = new Float64Array(machine.epochs.length);
    for (let lane = 0; lane < machine.width; lane++) {
      const block = machine.blockOf[lane] as number;
      if (machine.mask.active[lane] === 0) continue;
      threads[block] = (threads[block] as number) + 1;
      if (laneOf(value, lane) !== 0) counts[block] = (counts[block] as number) + 1;
    }
    const lanes = lanesFrom(machine.width, (lane) => {
      const block = machine.blockOf[lane] as number;
      return figure(counts[block] as number, threads[block] as number);
    });
    return scalarValue(lanes, "i32");
  };
}

export const warpIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ...Object.entries(sources).map(([name, source]): readonly [string, Intrinsic] => [name, shuffle(source)]),
  ["__ballot_sync", ballot],
  ["__any_sync", any],
  ["__all_sync", all],
  ["__match_any_sync", matches],
  ["__activemask", activeMask],
  ["__reduce_add_sync", reduce((x, y) => x + y)],
  ["__reduce_min_sync", reduce(Math.min)],
  ["__reduce_max_sync", reduce(Math.max)],
  ["__reduce_and_sync", reduce((x, y) => x & y)],
  ["__reduce_or_sync", reduce((x, y) => x | y)],
  ["__reduce_xor_sync", reduce((x, y) => x ^ y)],
  ["__syncwarp", () => noValue],
  [
    "__syncthreads",
    (run) => {
      barrier(run);
      run.changes++;
      return noValue;
    },
  ],
  ["__syncthreads_or", votingBarrier((count) => (count > 0 ? 1 : 0))],
  ["__syncthreads_and", votingBarrier((count, threads) => (count === threads ? 1 : 0))],
  ["__syncthreads_count", votingBarrier((count) => count)],
]);
