import type { FunctionDefinition } from "./ast.ts";
import type { Arithmetic, ElementType } from "./element-types.ts";
import type { Lanes } from "./lanes.ts";

/** Where a pointer points. `local` is the thread's own: registers, or its stack. */
export type MemorySpace = "global" | "shared" | "local";

export interface NumberValue {
  readonly kind: "number";
  readonly lanes: Lanes;
  readonly arithmetic: Arithmetic;
}

export interface PointerValue {
  readonly kind: "pointer";
  readonly space: MemorySpace;
  /** Name and size in bytes of what it points into; an infinite size is unknown. */
  readonly buffer: string;
  readonly bufferBytes: number;
  /** From the buffer's start, in bytes. */
  readonly offset: Lanes;
  readonly element: ElementType;
  /** Extents of the array dimensions still to be indexed, outermost first; empty for a plain pointer. */
  readonly extents: readonly number[];
}

export interface FunctionValue {
  readonly kind: "function";
  readonly definition: FunctionDefinition;
  readonly scope: Scope;
}

/** What an expression is, as far as the source alone tells. */
export type Value = NumberValue | PointerValue | FunctionValue;

export const unknownNumber: NumberValue = { kind: "number", lanes: Number.NaN, arithmetic: "integer" };

export function numberValue(lanes: Lanes, arithmetic: Arithmetic = "integer"): NumberValue {
  return { kind: "number", lanes, arithmetic };
}

/** The lanes of a number; unknown for anything else. */
export function lanesOf(value: Value): Lanes {
  return value.kind === "number" ? value.lanes : Number.NaN;
}

/** Names and their values, with the scope around them. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly #values = new Map<string, Value>();

  constructor(parent?: Scope) {
    this.parent = parent;
  }

  declare(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  lookUp(name: string): Value | undefined {
    return this.#values.get(name) ?? this.parent?.lookUp(name);
  }

  /** The innermost scope that declares a name. */
  holder(name: string): Scope | undefined {
    return this.#values.has(name) ? this : this.parent?.holder(name);
  }
}
