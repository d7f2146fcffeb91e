import type { Expression, Statement } from "./ast.ts";
import { evaluate } from "./evaluate.ts";
import { at, combine, firstLoopPoint, lanesPerWarp, map, withPoint, type Lanes } from "./lanes.ts";
import { lanesOf, numberValue, Scope, unknownNumber, type Value } from "./values.ts";
import type { Walker } from "./walker.ts";

type Loop = Statement & { kind: "loop" };

/** Trips assumed for a loop whose bounds the source does not tell. */
const unknownTrips = 8;
const simulatedTrips = 48;
const mostTrips = 1e8;
/** Longest loop with known bounds that a compiler unrolls unasked. */
const unrolledUnasked = 32;

/** A variable that an iteration changes: its value before, after one iteration, and whether a second adds as much. */
interface Change {
  readonly scope: Scope;
  readonly name: string;
  readonly start: Value;
  readonly next: Value;
  readonly even: boolean;
}

interface Trial {
  readonly changes: readonly Change[];
  /** Iterations by lane; NaN where unknown. */
  readonly trips: Lanes;
  /** True where the distance to the loop's end shrinks by the same step each time. */
  readonly even: boolean;
}

/** Reads a loop: tries two iterations to see what they change and how often it runs, then reads the body once, weighted. */
export function visitLoop(walker: Walker, loop: Loop, scope: Scope): void {
  const inner = new Scope(scope);
  if (loop.initial) walker.visit(loop.initial, inner);
  const trial = tryIterations(walker, loop, inner);
  const trips = averageTrips(walker, trial.trips);
  if (walker.silent === 0) readBody(walker, loop, inner, trial, Number.isNaN(trips) ? unknownTrips : trips);
  for (const { scope: holder, name, start, next, even } of trial.changes) {
    holder.declare(name, even && trial.even ? afterTrips(start, next, trial.trips) : forget(start));
  }
}

function tryIterations(walker: Walker, loop: Loop, scope: Scope): Trial {
  let trips: Lanes = Number.NaN;
  let even = true;
  let once: Assigned = [];
  let twice: Assigned = [];
  const journal = walker.tryOut(() => {
    const before = gap(walker, loop.condition, scope);
    iterate(walker, loop, scope);
    const then = gap(walker, loop.condition, scope);
    once = assigned(walker);
    trips = combine(
      before,
      combine(before, then, (a, b) => a - b),
      linearTrips,
    );
    iterate(walker, loop, scope);
    const last = gap(walker, loop.condition, scope);
    twice = assigned(walker);
    const closing = at(before, 0) - at(then, 0);
    even = at(then, 0) - at(last, 0) === closing || Number.isNaN(closing);
    if (!even) trips = simulate(walker, loop, scope, at(last, 0));
  });
  const changes = once.map(([holder, name, next]): Change => {
    const start = journal.get(holder)?.get(name) ?? unknownNumber;
    const second = twice.find(([other, otherName]) => other === holder && otherName === name)?.[2] ?? next;
    return { scope: holder, name, start, next, even: advancesEvenly(start, next, second) };
  });
  for (const [holder, names] of journal) {
    for (const [name, start] of names) if (start) holder.declare(name, start);
  }
  return { changes, trips, even };
}

type Assigned = readonly (readonly [Scope, string, Value])[];

/** Variables that the trial under way has assigned, with their values now. */
function assigned(walker: Walker): Assigned {
  return [...(walker.journal ?? [])].flatMap(([holder, names]) =>
    [...names.keys()].map((name) => [holder, name, holder.lookUp(name) ?? unknownNumber] as const),
  );
}

/** False for what toggles or wraps around; unknown steps count as even. */
function advancesEvenly(start: Value, next: Value, second: Value): boolean {
  const [a, b, c] = [start, next, second].map(firstLane) as [number, number, number];
  return Number.isNaN(a + b + c) || b - a === c - b;
}

function firstLane(value: Value): number {
  if (value.kind === "function") return Number.NaN;
  return at(value.kind === "number" ? value.lanes : value.offset, 0);
}

function iterate(walker: Walker, loop: Loop, scope: Scope): void {
  walker.visit(loop.body, scope);
  if (loop.step) evaluate(walker, loop.step, scope);
}

function simulate(walker: Walker, loop: Loop, scope: Scope, remaining: number): number {
  let left = remaining;
  let trips = 2;
  while (left > 0 && trips < simulatedTrips) {
    iterate(walker, loop, scope);
    left = gap(walker, loop.condition, scope, 0) as number;
    trips++;
  }
  return left > 0 || Number.isNaN(left) ? Number.NaN : trips;
}

function linearTrips(distance: number, step: number): number {
  if (!(distance > 0)) return Number.isNaN(distance) ? distance : 0;
  return step > 0 ? Math.min(mostTrips, Math.ceil(distance / step)) : Number.NaN;
}

/** How far the condition is from failing; above 0 while it holds. NaN where the condition is not understood. */
function gap(walker: Walker, condition: Expression | undefined, scope: Scope, point?: number): Lanes {
  const distance = distanceOf(walker, condition, scope);
  return point === undefined ? distance : at(distance, point);
}

function distanceOf(walker: Walker, condition: Expression | undefined, scope: Scope): Lanes {
  if (condition?.kind !== "binary") return Number.NaN;
  const { operator, left, right } = condition;
  if (operator === "&&") {
    const first = distanceOf(walker, left, scope);
    return Number.isNaN(at(first, 0)) ? distanceOf(walker, right, scope) : first;
  }
  const difference = (): Lanes =>
    combine(lanesOf(evaluate(walker, right, scope)), lanesOf(evaluate(walker, left, scope)), (b, a) => b - a);
  if (operator === "<") return difference();
  if (operator === "<=") return map(difference(), (x) => x + 1);
  if (operator === ">") return map(difference(), (x) => -x);
  if (operator === ">=") return map(difference(), (x) => 1 - x);
  return operator === "!=" ? map(difference(), Math.abs) : Number.NaN;
}

/** Trips of the average warp: the longest of its lanes. */
function averageTrips(walker: Walker, trips: Lanes): number {
  if (typeof trips === "number") return trips;
  return walker.recorder.overWarps((first) => {
    let most = 0;
    for (let point = first; point < first + lanesPerWarp; point++) {
      if (walker.recorder.active(walker, point)) most = Math.max(most, at(trips, point));
    }
    return most;
  });
}

function readBody(walker: Walker, loop: Loop, scope: Scope, trial: Trial, trips: number): void {
  const { recorder } = walker;
  const depth = walker.loopDepth;
  const middle = trial.even ? Math.max(0, Math.floor((trips - 1) / 2)) : 0;
  const counters = namesIn(loop.step ?? loop.condition);
  for (const { scope: holder, name, start, next, even } of trial.changes) {
    const iteration = even && counters.has(name) ? middle : 0;
    holder.declare(name, atIteration(start, next, iteration, firstLoopPoint + depth));
  }
  const known = !Number.isNaN(averageTrips(walker, trial.trips));
  recorder.loops++;
  recorder.deepest = Math.max(recorder.deepest, walker.loops.length + 1);
  if (!known) recorder.unknownLoops++;
  const unrolled = loop.unroll === undefined ? known && trips <= unrolledUnasked : loop.unroll !== 1;
  const running =
    typeof trial.trips === "number" ? undefined : map(trial.trips, (x) => (Number.isNaN(x) ? 1 : Number(x > 0)));
  walker.loops.push({ depth, trips, unrolled });
  walker.within(running, trips, () => {
    iterate(walker, loop, scope);
    if (!unrolled) walker.count("branch");
  });
  walker.loops.pop();
}

/** Variables that an expression mentions: those of a loop's step or condition count its iterations. */
function namesIn(expression: Expression | undefined): ReadonlySet<string> {
  if (expression?.kind === "name") return new Set([expression.name]);
  if (expression?.kind === "unary") return namesIn(expression.operand);
  if (expression?.kind === "assign") return namesIn(expression.target);
  if (expression?.kind !== "binary") return new Set();
  return new Set([...namesIn(expression.left), ...namesIn(expression.right)]);
}

/**
 * A variable as the average iteration finds it, so that loops inside whose bounds depend on it run as often as on average;
 * one iteration further at the loop's own point.
 */
function atIteration(start: Value, next: Value, iteration: number, point: number): Value {
  const advance = (from: Lanes, to: Lanes): Lanes => {
    const moved = iteration === 0 ? from : combine(from, to, (a, b) => (Number.isNaN(b) ? a : a + iteration * (b - a)));
    return withPoint(moved, point, at(to, 0) + at(moved, 0) - at(from, 0));
  };
  if (start.kind === "number" && next.kind === "number") {
    return numberValue(advance(start.lanes, next.lanes), start.arithmetic);
  }
  if (start.kind === "pointer" && next.kind === "pointer") {
    const offset =
      start.buffer === next.buffer ? advance(start.offset, next.offset) : withPoint(start.offset, point, Number.NaN);
    return { ...start, offset };
  }
  return start;
}

function afterTrips(start: Value, next: Value, trips: Lanes): Value {
  const advance = (from: Lanes, to: Lanes): Lanes =>
    combine(
      from,
      combine(
        combine(to, from, (b, a) => b - a),
        trips,
        (step, n) => (step === 0 ? 0 : step * n),
      ),
      (a, b) => a + b,
    );
  if (start.kind === "number" && next.kind === "number") {
    return numberValue(advance(start.lanes, next.lanes), start.arithmetic);
  }
  if (start.kind === "pointer" && next.kind === "pointer" && start.buffer === next.buffer) {
    return { ...start, offset: advance(start.offset, next.offset) };
  }
  return next;
}

function forget(start: Value): Value {
  return start.kind === "number" ? numberValue(Number.NaN, start.arithmetic) : start;
}
