import { convertLanes } from "./arithmetic.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { laneOf, zeroLanes, type Lanes } from "./lanes.ts";
import { assign, load } from "./places.ts";
import { fit, Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import type { Place, Value } from "./values.ts";
import { noValue, scalarOfValue, scalarValue } from "./values.ts";
import type { ScalarType } from "./types.ts";

function pointedTo(value: Value | undefined): Place & { kind: "memory" } {
  if (value?.kind !== "scalar" || value.type.kind !== "pointer") throw new Mistyped("a pointer is missing");
  return { kind: "memory", type: value.type.to, address: value.lanes };
}

const loads: Intrinsic = (run, given) => load(run, pointedTo(given[0]));

const stores: Intrinsic = (run, given) => {
  assign(run, pointedTo(given[0]), given[1] as Value);
  return noValue;
};

type Change = (old: number, operand: number, second: number) => number;

/** Lane after lane; what was there before is the result. */
function atomic(change: Change): Intrinsic {
  return (run, given) => {
    const { type, address } = pointedTo(given[0]);
    if (type.kind !== "scalar") return atomicPair(run, given, change);
    const operand = operandOf(given[1], type);
    const second = given[2] ? operandOf(given[2], type) : 0;
    return scalarValue(
      exchangeAll(run, type, address, (old, lane) => change(old, laneOf(operand, lane), laneOf(second, lane))),
      type.name,
    );
  };
}

function operandOf(value: Value | undefined, type: ScalarType): Lanes {
  if (!value) return 0;
  const operand = scalarOfValue(value);
  return operand.type.kind === "pointer" ? operand.lanes : convertLanes(operand.lanes, operand.type, type);
}

function exchangeAll(run: Run, type: ScalarType, address: Lanes, change: (old: number, lane: number) => number): Lanes {
  const { machine } = run;
  const round = fit[type.name];
  const result = zeroLanes(machine.width);
  machine.step(4 * machine.width);
  run.changes++;
  for (let lane = 0; lane < machine.width; lane++) {
    if (machine.mask.active[lane] === 0) continue;
    result[lane] = machine.exchange(type, laneOf(address, lane), lane, (old) => round(change(old, lane)));
  }
  return result;
}

/** Adding a pair of halves or floats: each part on its own. */
function atomicPair(run: Run, given: readonly Value[], change: Change): Value {
  const { type, address } = pointedTo(given[0]);
  const [, added] = given;
  if (type.kind !== "record" || added?.kind !== "record") throw new Unsupported("an atomic on a structure");
  const fields = type.fields.map((field, index) => {
    if (field.type.kind !== "scalar") throw new Unsupported("an atomic on a structure");
    const operand = scalarOfValue(added.fields[index]).lanes;
    const at = typeof address === "number" ? address + field.offset : address.map((place) => place + field.offset);
    const old = exchangeAll(run, field.type, at, (before, lane) => change(before, laneOf(operand, lane), 0));
    return scalarValue(old, field.type.name);
  });
  return { kind: "record", type, fields };
}

const changes: Readonly<Record<string, Change>> = {
  Add: (old, x) => old + x,
  Sub: (old, x) => old - x,
  Min: (old, x) => Math.min(old, x),
  Max: (old, x) => Math.max(old, x),
  And: (old, x) => old & x,
  Or: (old, x) => old | x,
  Xor: (old, x) => old ^ x,
  Exch: (_old, x) => x,
  CAS: (old, x, y) => (old === x ? y : old),
  Inc: (old, x) => (old >= x ? 0 : old + 1),
  Dec: (old, x) => (old === 0 || old > x ? x : old - 1),
};

function atomicEntries(): (readonly [string, Intrinsic])[] {
  return Object.entries(changes).flatMap(([name, change]): (readonly [string, Intrinsic])[] =>
    ["", "_block", "_system"].map((suffix) => [`atomic${name}${suffix}`, atomic(change)]),
  );
}

export const memoryIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ...["ldg", "ldcs", "ldcg", "ldca", "ldlu", "ldcv"].map((name): readonly [string, Intrinsic] => [`__${name}`, loads]),
  ...["stcs", "stcg", "stwb", "stwt"].map((name): readonly [string, Intrinsic] => [`__${name}`, stores]),
  ...atomicEntries(),
  ["__cvta_generic_to_shared", (run, given) => scalarValue(run.machine.toShared(scalarOfValue(given[0]).lanes), "u64")],
  ["__cvta_generic_to_global", (_run, given) => scalarValue(scalarOfValue(given[0]).lanes, "u64")],
]);
