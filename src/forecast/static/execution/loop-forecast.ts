import type { Expression, Statement } from "../analysis/ast.ts";
import { laneOf, type Lanes } from "./lanes.ts";
import type { Run } from "./run.ts";
import { scalarOfValue, type Scope } from "./values.ts";

const watchedRounds = 3;

/**
 * Tells early that a loop needs more steps than are left: one whose condition's two sides come nearer by the same amount in
 * each of its first rounds. Its condition must do nothing but look at variables.
 */
export class LoopForecast {
  readonly #run: Run;
  readonly #condition: Expression & { kind: "binary" };
  readonly #scope: Scope;
  readonly #gaps: number[] = [];
  readonly #left: number[] = [];

  constructor(run: Run, condition: Expression & { kind: "binary" }, scope: Scope) {
    this.#run = run;
    this.#condition = condition;
    this.#scope = scope;
  }

  /** After a round. */
  check(): void {
    if (this.#gaps.length >= watchedRounds) return;
    this.#gaps.push(this.#gap());
    this.#left.push(this.#run.machine.left);
    if (this.#gaps.length < watchedRounds) return;
    const [first = 0, second = 0, third = 0] = this.#gaps;
    const nearer = second - third;
    if (!(nearer > 0) || first - second !== nearer) return;
    const [, before = 0, now = 0] = this.#left;
    if ((third / nearer) * (before - now) > now) this.#run.machine.giveUp();
  }

  /** How far apart the condition's sides are, in the lane where that is most. */
  #gap(): number {
    const { left, right } = this.#condition;
    const [a, b] = [this.#lanes(left), this.#lanes(right)];
    if (typeof a === "number" && typeof b === "number") return Math.abs(a - b);
    const { active } = this.#run.machine.mask;
    let most = 0;
    for (let lane = 0; lane < active.length; lane++) {
      if (active[lane] !== 0) most = Math.max(most, Math.abs(laneOf(a, lane) - laneOf(b, lane)));
    }
    return most;
  }

  #lanes(expression: Expression): Lanes {
    return scalarOfValue(this.#run.evaluate(expression, this.#scope)).lanes;
  }
}

const known = new WeakMap<Statement, boolean>();

/** True of a loop's body that may end the loop before its condition does. */
export function leavesEarly(body: Statement): boolean {
  let leaves = known.get(body);
  if (leaves === undefined) {
    leaves = hasExit(body);
    known.set(body, leaves);
  }
  return leaves;
}

function hasExit(node: unknown): boolean {
  if (Array.isArray(node)) return node.some((part) => hasExit(part));
  if (typeof node !== "object" || node === null) return false;
  const { kind, how } = node as { readonly kind?: unknown; readonly how?: unknown };
  if (kind === "return" || (kind === "leave" && how === "break")) return true;
  return Object.values(node).some((part) => hasExit(part));
}
