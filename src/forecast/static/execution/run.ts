import type { Declarator, Expression, Program, Statement, TypeName } from "../analysis/ast.ts";
import { declare } from "./declarations.ts";
import { evaluate } from "./expressions.ts";
import { none, type Mask } from "./lanes.ts";
import type { Machine } from "./machine.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import { resolveType } from "./resolve-type.ts";
import { visit } from "./statements.ts";
import type { Type } from "./types.ts";
import { noValue, Scope, type Value } from "./values.ts";

/** Lanes that have left a loop's body, or all of it. */
export interface LoopExits {
  broken: Mask;
  continued: Mask;
}

/** A call under way. */
export interface Frame {
  readonly depth: number;
  /** True of the kernel itself. */
  readonly outermost: boolean;
  /** Variables whose address the function takes. */
  readonly addressed: ReadonlySet<string>;
  readonly returns: Type | undefined;
  value: Value | undefined;
}

/** Carries out a kernel's statements for all lanes of a machine at once. */
export class Run {
  readonly machine: Machine;
  readonly program: Program;
  readonly globals: Scope = new Scope();
  readonly arrays = new Map<string, number>();
  /** Numbers the declarators, to tell arrays apart. */
  readonly #numbers = new Map<Declarator, number>();
  frame: Frame;
  loop: LoopExits;
  /** Assignments that changed something; tells loops that stand still. */
  changes = 0;
  /** Asynchronous copies that have not been waited for. */
  readonly copies: (() => void)[][] = [[]];

  constructor(machine: Machine) {
    this.machine = machine;
    this.program = machine.program;
    this.frame = { depth: 0, outermost: true, addressed: new Set(), returns: undefined, value: noValue };
    this.loop = { broken: none(machine.mask), continued: none(machine.mask) };
    for (const [name, type] of this.program.aliases) this.#declareAlias(name, type, true);
    for (const { declarators, shared } of this.program.globals) {
      for (const declarator of declarators) this.#declareGlobal(declarator, shared);
    }
    for (const [name, type] of this.program.aliases) {
      if (!this.globals.lookUp(name)) this.#declareAlias(name, type, false);
    }
    for (const [name, definitions] of this.program.overloads) {
      this.globals.declare(name, { kind: "function", definitions, scope: this.globals });
    }
  }

  /** What cannot be declared is missing where it is used. */
  #declareGlobal(declarator: Declarator, shared: boolean): void {
    try {
      declare(this, declarator, shared, this.globals);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      if (!(error instanceof Mistyped)) this.machine.undeclared = true;
    }
  }

  /** What a type's name needs may be declared after it: it counts as not modelled when it is tried again. */
  #declareAlias(name: string, type: TypeName, first: boolean): void {
    try {
      this.globals.declare(name, { kind: "type", type: resolveType(this, type, this.globals) });
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      if (!first && !(error instanceof Mistyped)) this.machine.undeclared = true;
    }
  }

  number(declarator: Declarator): number {
    const known = this.#numbers.get(declarator) ?? this.#numbers.size;
    this.#numbers.set(declarator, known);
    return known;
  }

  /** Memory of a variable of each thread; that of an earlier call of equal depth is used again. */
  localAddress(name: string, bytes: number): number {
    const key = `local ${name} ${this.frame.depth} ${bytes}`;
    const address = this.arrays.get(key) ?? this.machine.allocateLocal(name.split(" ")[0] ?? name, bytes);
    this.arrays.set(key, address);
    return address;
  }

  evaluate(expression: Expression, scope: Scope): Value {
    return evaluate(this, expression, scope);
  }

  visit(statement: Statement, scope: Scope): void {
    visit(this, statement, scope);
  }

  type(name: TypeName, scope: Scope): Type {
    return resolveType(this, name, scope);
  }
}
