import type { Expression, Statement } from "../analysis/ast.ts";
import { laneOf, type Mask } from "./lanes.ts";
import { leavesEarly, LoopForecast } from "./loop-forecast.ts";
import type { Run } from "./run.ts";
import type { Scope, Value, Variable } from "./values.ts";

/** Raised at a loop that goes round without changing anything, or anything that its condition depends on. */
export class Endless extends Error {}

/** Raised at a loop that changes nothing but looks at memory: others may change what it waits for. */
export class Waiting extends Error {}

/** How often a loop may go round while nothing changes that its condition depends on. */
const mostRounds = 4000;

/** Watches whether a loop gets on. */
export class LoopWatch {
  readonly #run: Run;
  readonly #terms: readonly Variable[] | undefined;
  #values: readonly Value[] = [];
  #changes = 0;
  #loads = 0;
  #rounds = 0;
  readonly #forecast: LoopForecast | undefined;

  constructor(run: Run, { condition, body }: Statement & { kind: "loop" }, scope: Scope) {
    this.#run = run;
    this.#terms = condition && loopVariables(condition, scope);
    if (this.#terms && condition?.kind === "binary" && !leavesEarly(body)) {
      this.#forecast = new LoopForecast(run, condition, scope);
    }
  }

  /** Before a round. */
  start(): void {
    this.#changes = this.#run.changes;
    this.#loads = this.#run.machine.loads;
    this.#values = this.#terms?.map(({ value }) => value) ?? [];
  }

  /** After a round, where lanes go on. */
  check(): void {
    const { changes, machine } = this.#run;
    if (changes === this.#changes) throw machine.loads === this.#loads ? new Endless() : new Waiting();
    if (!this.#terms) return;
    this.#forecast?.check();
    const same = this.#terms.every(({ value }, index) => isSame(value, this.#values[index], machine.mask));
    this.#rounds = same ? this.#rounds + 1 : 0;
    if (this.#rounds > mostRounds) throw new Endless();
  }
}

/** The variables that a condition depends on; undefined where it looks at more than variables. */
function loopVariables(condition: Expression, scope: Scope): Variable[] | undefined {
  if (condition.kind === "number") return [];
  if (condition.kind === "name") {
    const entry = scope.lookUp(condition.name);
    return entry?.kind === "variable" ? [entry] : undefined;
  }
  if (condition.kind === "unary" && /^[-!~]$/.test(condition.operator)) return loopVariables(condition.operand, scope);
  if (condition.kind !== "binary") return undefined;
  const left = loopVariables(condition.left, scope);
  const right = left && loopVariables(condition.right, scope);
  return right && [...left, ...right];
}

/** True where a variable holds what it held, in the lanes that go on. */
function isSame(now: Value, before: Value | undefined, mask: Mask): boolean {
  if (now === before) return true;
  if (now.kind !== "scalar" || before?.kind !== "scalar") return false;
  return mask.active.every((on, lane) => on === 0 || laneOf(now.lanes, lane) === laneOf(before.lanes, lane));
}
