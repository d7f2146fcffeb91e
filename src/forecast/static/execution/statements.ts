import type { Statement } from "../analysis/ast.ts";
import { runAssembly } from "./assembly.ts";
import { declare } from "./declarations.ts";
import { LoopWatch } from "./loop-watch.ts";
import { none, union, where, without, zipLanes, type Lanes, type Mask } from "./lanes.ts";
import { blendValues, convert } from "./places.ts";
import { Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { noValue, scalarOfValue, Scope } from "./values.ts";

type Loop = Statement & { kind: "loop" };

/** Carries out a statement; afterwards the machine's mask holds the lanes that go on to the next. */
export function visit(run: Run, statement: Statement, scope: Scope): void {
  run.machine.step(8);
  switch (statement.kind) {
    case "block":
      visitAll(run, statement.body, new Scope(scope));
      return;
    case "if":
      visitIf(run, statement, scope);
      return;
    case "loop":
      visitLoop(run, statement, scope);
      return;
    case "switch":
      visitSwitch(run, statement, scope);
      return;
    case "declaration":
      for (const declarator of statement.declaration.declarators) {
        declare(run, declarator, statement.declaration.shared, scope);
      }
      return;
    case "expression":
      run.evaluate(statement.expression, scope);
      return;
    case "assembly":
      runAssembly(run, statement, scope);
      return;
    default:
      visitOther(run, statement, scope);
  }
}

function visitOther(run: Run, statement: Statement, scope: Scope): void {
  switch (statement.kind) {
    case "return":
      visitReturn(run, statement, scope);
      return;
    case "leave":
      leave(run, statement.how);
      return;
    case "alias":
      scope.declare(statement.name, { kind: "type", type: run.type(statement.type, scope) });
      return;
    case "nothing":
      if (statement.understood === false) throw new Unsupported("a statement that was not understood");
      return;
    case "case":
      throw new Unsupported("a label out of place");
    default:
  }
}

function visitAll(run: Run, statements: readonly Statement[], scope: Scope): void {
  for (const statement of statements) {
    if (run.machine.mask.count === 0) return;
    visit(run, statement, scope);
  }
}

function leave(run: Run, how: "break" | "continue"): void {
  const { machine, loop } = run;
  if (how === "break") loop.broken = union(loop.broken, machine.mask);
  else loop.continued = union(loop.continued, machine.mask);
  machine.mask = none(machine.mask);
}

function visitReturn(run: Run, { value }: Statement & { kind: "return" }, scope: Scope): void {
  const { machine, frame } = run;
  if (value) {
    const given = run.evaluate(value, scope);
    const result = frame.returns && given.kind !== "function" ? convert(run, given, frame.returns) : given;
    const first = frame.value === undefined || frame.value === noValue;
    frame.value = first ? result : blendValues(frame.value ?? noValue, result, machine.mask);
  }
  if (frame.outermost) machine.gone = union(machine.gone, machine.mask);
  machine.mask = none(machine.mask);
}

/** 0 or 1 in each lane. */
function truth(run: Run, value: ReturnType<Run["evaluate"]>): Lanes {
  return scalarOfValue(value).lanes;
}

function visitIf(run: Run, { condition, yes, no }: Statement & { kind: "if" }, scope: Scope): void {
  const { machine } = run;
  const before = machine.mask;
  const taken = where(before, truth(run, run.evaluate(condition, scope)));
  const through = visitUnder(run, taken, yes, scope);
  if (taken === before) {
    machine.mask = through;
    return;
  }
  const rest = without(before, taken);
  const passed = no ? visitUnder(run, rest, no, scope) : rest;
  machine.mask = through === taken && passed === rest ? before : union(through, passed);
}

/** Carries out a statement for some lanes; returns those that came through. */
function visitUnder(run: Run, mask: Mask, statement: Statement, scope: Scope): Mask {
  if (mask.count === 0) return mask;
  run.machine.mask = mask;
  visit(run, statement, new Scope(scope));
  return run.machine.mask;
}

function visitLoop(run: Run, loop: Loop, scope: Scope): void {
  const { machine } = run;
  const inner = new Scope(scope);
  if (loop.initial) visit(run, loop.initial, inner);
  const before = machine.mask;
  const outer = run.loop;
  let done = none(before);
  const watch = new LoopWatch(run, loop, inner);
  for (let first = true; machine.mask.count > 0; first = false) {
    machine.step(machine.width);
    watch.start();
    if (!(first && loop.bodyFirst)) done = union(done, leaving(run, loop, inner));
    if (machine.mask.count === 0) break;
    done = union(done, goRound(run, loop, inner));
    if (machine.mask.count > 0) watch.check();
  }
  run.loop = outer;
  machine.mask = done.count === before.count ? before : done;
}

/** Lets go the lanes that the loop's condition turns away, and returns them. */
function leaving(run: Run, { condition }: Loop, inner: Scope): Mask {
  const { machine } = run;
  const { mask } = machine;
  if (!condition) return none(mask);
  machine.mask = where(mask, truth(run, run.evaluate(condition, inner)));
  return machine.mask === mask ? none(mask) : without(mask, machine.mask);
}

/** Carries out a loop's body and step once; returns the lanes that have left it by `break`. */
function goRound(run: Run, loop: Loop, inner: Scope): Mask {
  const { machine } = run;
  run.loop = { broken: none(machine.mask), continued: none(machine.mask) };
  visit(run, loop.body, inner);
  const { broken, continued } = run.loop;
  machine.mask = union(machine.mask, continued);
  if (loop.step && machine.mask.count > 0) run.evaluate(loop.step, inner);
  return broken;
}

/** Labels in turn: lanes join at theirs and stay until `break`. */
function visitSwitch(run: Run, { value, body }: Statement & { kind: "switch" }, scope: Scope): void {
  const { machine } = run;
  if (body.kind !== "block") throw new Unsupported("a switch without braces");
  const before = machine.mask;
  const { lanes } = scalarOfValue(run.evaluate(value, scope));
  const outer = run.loop;
  run.loop = { broken: none(before), continued: outer.continued };
  const inner = new Scope(scope);
  const entries = labelMasks(run, body.body, lanes, scope);
  machine.mask = none(before);
  body.body.forEach((statement, index) => {
    const entering = entries.get(index);
    if (entering) machine.mask = union(machine.mask, entering);
    else if (machine.mask.count > 0) visit(run, statement, inner);
  });
  const labelled = [...entries.values()].reduce((sum, mask) => union(sum, mask), none(before));
  const through = union(union(machine.mask, run.loop.broken), without(before, labelled));
  outer.continued = run.loop.continued;
  run.loop = outer;
  machine.mask = through.count === before.count ? before : through;
}

function labelMasks(run: Run, body: readonly Statement[], lanes: Lanes, scope: Scope): Map<number, Mask> {
  const { machine } = run;
  const entries = new Map<number, Mask>();
  let rest = machine.mask;
  let fallback = -1;
  body.forEach((statement, index) => {
    if (statement.kind !== "case") return;
    if (!statement.value) fallback = index;
    else {
      const label = scalarOfValue(run.evaluate(statement.value, scope)).lanes;
      const mask = where(
        rest,
        zipLanes(lanes, label, (x, y) => (x === y ? 1 : 0)),
      );
      entries.set(index, mask);
      rest = without(rest, mask);
    }
  });
  if (fallback >= 0) entries.set(fallback, rest);
  return entries;
}
