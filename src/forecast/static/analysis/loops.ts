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

/** A variable that an iteration changes: its value before, and after one iteration. */
interface Change {
  readonly scope: Scope;
  readonly name: string;
  readonly start: Value;
  readonly next: Value;
}

interface Trial {
  readonly changes: readonly Change[];
  /** Iterations by lane; NaN where unknown. */
  readonly trips: Lanes;
  readonly linear: boolean;
}

/** Reads a loop: tries one iteration to see what it changes and how often it runs, then reads the body once, weighted. */
export function visitLoop(walker: Walker, loop: Loop, scope: Scope): void {
  const inner = new Scope(scope);
  if (loop.initial) walker.visit(loop.initial, inner);
  const trial = tryIteration(walker, loop, inner);
  const trips = averageTrips(walker, trial.trips);
  if (walker.silent === 0) readBody(walker, loop, inner, trial, Number.isNaN(trips) ? unknownTrips : trips);
  for (const { scope: holder, name, start, next } of trial.changes) {
    holder.declare(name, trial.linear ? afterTrips(start, next, trial.trips) : forget(start));
  }
}

function tryIteration(walker: Walker, loop: Loop, scope: Scope): Trial {
  let trips: Lanes = Number.NaN;
  let linear = true;
  const after: (readonly [Scope, string, Value])[] = [];
  const journal = walker.tryOut(() => {
    const before = gap(walker, loop.condition, scope);
    iterate(walker, loop, scope);
    const then = gap(walker, loop.condition, scope);
    trips = combine(
      before,
      combine(before, then, (a, b) => a - b),
      linearTrips,
    );
    for (const [holder, names] of journalOf(walker)) {
      for (const name of names) after.push([holder, name, holder.lookUp(name) ?? unknownNumber]);
    }
    if (stepsEvenly(loop.step)) return;
    const closing = at(before, 0) - at(then, 0);
    iterate(walker, loop, scope);
    const last = gap(walker, loop.condition, scope);
    linear = at(then, 0) - at(last, 0) === closing || Number.isNaN(closing);
    if (!linear) trips = simulate(walker, loop, scope, at(last, 0));
  });
  const changes = after.map(([holder, name, next]) => {
    const start = journal.get(holder)?.get(name) ?? unknownNumber;
    return { scope: holder, name, start, next };
  });
  for (const [holder, names] of journal) {
    for (const [name, start] of names) if (start) holder.declare(name, start);
  }
  return { changes, trips, linear };
}

function journalOf(walker: Walker): (readonly [Scope, readonly string[]])[] {
  return [...(walker.journal ?? [])].map(([holder, names]) => [holder, [...names.keys()]] as const);
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

/** True for `i++`, `i += n` and the like; an absent step may do anything in the body. */
function stepsEvenly(step: Expression | undefined): boolean {
  if (step?.kind === "unary") return step.operator === "++" || step.operator === "--";
  if (step?.kind === "binary" && step.operator === ",") return stepsEvenly(step.left) && stepsEvenly(step.right);
  return step?.kind === "assign" && (step.operator === "+" || step.operator === "-");
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
  const middle = trial.linear ? Math.max(0, Math.floor((trips - 1) / 2)) : 0;
  for (const { scope: holder, name, start, next } of trial.changes) {
    holder.declare(name, atIteration(start, next, middle, firstLoopPoint + depth));
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
