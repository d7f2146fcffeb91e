import type { FunctionDefinition } from "../analysis/ast.ts";
import type { Lanes, Mask } from "./lanes.ts";
import { Mistyped } from "./rounding.ts";
import { scalarType, type PointerType, type RecordType, type ScalarName, type ScalarType, type Type } from "./types.ts";

export interface ScalarValue {
  readonly kind: "scalar";
  readonly type: ScalarType | PointerType;
  /** Numbers, or for pointers addresses. */
  readonly lanes: Lanes;
}

export interface RecordValue {
  readonly kind: "record";
  readonly type: RecordType;
  readonly fields: readonly Value[];
}

/** A function's name, or a lambda with the scope it sees. */
export interface FunctionValue {
  readonly kind: "function";
  readonly definitions: readonly FunctionDefinition[];
  readonly scope: Scope;
}

/** Braces whose type the place they stand in gives. */
export interface ListValue {
  readonly kind: "list";
  readonly items: readonly Value[];
}

export type Value = ScalarValue | RecordValue | FunctionValue | ListValue;

export function scalarValue(lanes: Lanes, name: ScalarName): ScalarValue {
  return { kind: "scalar", type: scalarType(name), lanes };
}

export const noValue: ScalarValue = scalarValue(0, "void");

/** A variable that lives in a register. `mask` are the lanes that reached its declaration. */
export interface Variable {
  readonly kind: "variable";
  readonly type: Type;
  readonly mask: Mask;
  value: Value;
}

/** Something that can be assigned to: part of a variable, or a place in memory. */
export type Place =
  | { readonly kind: "variable"; readonly variable: Variable; readonly path: readonly number[] }
  | { readonly kind: "memory"; readonly type: Type; readonly address: Lanes };

/** What a name stands for. */
export type Entry =
  | Variable
  | { readonly kind: "place"; readonly place: Place }
  | { readonly kind: "type"; readonly type: Type }
  | FunctionValue;

/** Names and what they stand for, with the scope around them. */
export class Scope {
  readonly parent: Scope | undefined;
  /** Undefined while there are none: most scopes stay empty. */
  #entries: Map<string, Entry> | undefined;

  constructor(parent?: Scope) {
    this.parent = parent;
  }

  declare(name: string, entry: Entry): void {
    this.#entries ??= new Map();
    this.#entries.set(name, entry);
  }

  lookUp(name: string): Entry | undefined {
    let entry = this.#entries?.get(name);
    for (let scope = this.parent; !entry && scope; scope = scope.parent) entry = scope.#entries?.get(name);
    return entry;
  }
}

/** The scalar of a value; a failure for anything else. */
export function scalarOfValue(value: Value | undefined): ScalarValue {
  if (!value) throw new Mistyped("an argument is missing");
  if (value.kind === "scalar") return value;
  if (value.kind === "list" && value.items.length === 1) return scalarOfValue(value.items[0]);
  if (value.kind === "list" && value.items.length === 0) return scalarValue(0, "i32");
  throw new Mistyped(`a ${value.kind} where a number is needed`);
}
