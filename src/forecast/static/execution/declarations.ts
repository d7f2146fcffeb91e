import type { Declarator } from "../analysis/ast.ts";
import { assign, convert, placeOf } from "./places.ts";
import { constant } from "./resolve-type.ts";
import { Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { arrayOf, isFloating, type ArrayType, type Type } from "./types.ts";
import {
  noValue,
  scalarValue,
  type Place,
  type RecordValue,
  type ScalarValue,
  type Scope,
  type Value,
} from "./values.ts";

/** Declares a variable, an array or a reference. */
export function declare(run: Run, declarator: Declarator, shared: boolean, scope: Scope): void {
  const { name, type: written, initial } = declarator;
  if (written.name === "auto" || isHandle(written.name)) declareAuto(run, declarator, scope);
  else if (written.reference && initial) declareReference(run, declarator, scope);
  else {
    const type = declaredType(run, declarator, scope);
    if (shared) declareShared(run, declarator, type, scope);
    else if (scope === run.globals && type.kind === "array") declareDevice(run, declarator, type, scope);
    else if (mustBeMemory(run, name, type)) declareLocal(run, declarator, type, scope);
    else {
      const value = initial ? convert(run, run.evaluate(initial, scope), type) : emptyValue(type);
      scope.declare(name, { kind: "variable", type, mask: run.machine.mask, value });
    }
  }
}

/** Objects that stand for a group of threads; their calls are known by name. */
function isHandle(name: string): boolean {
  return /(thread_block|thread_block_tile|coalesced_group|grid_group)$/.test(name);
}

function declareAuto(run: Run, { name, initial, type }: Declarator, scope: Scope): void {
  if (!initial) throw new Unsupported("auto without a value");
  if (type.reference && type.pointers === 0) {
    const place = placeOf(run, initial, scope);
    if (place) {
      scope.declare(name, { kind: "place", place });
      return;
    }
  }
  const value = run.evaluate(initial, scope);
  if (value.kind === "function") scope.declare(name, value);
  else if (value.kind === "list") throw new Unsupported("auto of braces");
  else declareValue(run, name, value, scope);
}

/** Gives a name to a value; one with arrays inside needs memory, so that these can be indexed. */
export function declareValue(run: Run, name: string, value: ScalarValue | RecordValue, scope: Scope): void {
  const { type } = value;
  if (!holdsArray(type)) {
    scope.declare(name, { kind: "variable", type, mask: run.machine.mask, value });
    return;
  }
  const place: Place = { kind: "memory", type, address: run.localAddress(name, type.bytes) };
  assign(run, place, value);
  scope.declare(name, { kind: "place", place });
}

function declareReference(run: Run, declarator: Declarator, scope: Scope): void {
  const initial = declarator.initial as NonNullable<Declarator["initial"]>;
  const place = placeOf(run, initial, scope);
  if (place) {
    scope.declare(declarator.name, { kind: "place", place });
    return;
  }
  const type = run.type(declarator.type, scope);
  const value = convert(run, run.evaluate(initial, scope), type);
  if (value.kind === "scalar" || value.kind === "record") declareValue(run, declarator.name, value, scope);
}

function declaredType(run: Run, declarator: Declarator, scope: Scope): Type {
  let type = run.type(declarator.type, scope);
  const { extents, initial } = declarator;
  for (let index = extents.length - 1; index >= 0; index--) {
    const extent = extents[index];
    const listed = initial?.kind === "list" ? initial.items.length : 0;
    type = arrayOf(type, extent ? constant(run, extent, scope) : listed);
  }
  return type;
}

function mustBeMemory(run: Run, name: string, type: Type): boolean {
  return holdsArray(type) || run.frame.addressed.has(name);
}

/** True of arrays and of structures with one inside: indices need memory. */
function holdsArray(type: Type): boolean {
  return type.kind === "array" || (type.kind === "record" && type.fields.some((field) => holdsArray(field.type)));
}

/** What a variable without a value holds. */
function emptyValue(type: Type): Value {
  if (type.kind === "record")
    return { kind: "record", type, fields: type.fields.map((field) => emptyValue(field.type)) };
  if (type.kind === "array") return noValue;
  return { kind: "scalar", type, lanes: isFloating(type) ? Number.NaN : 0 };
}

function declareShared(run: Run, declarator: Declarator, type: Type, scope: Scope): void {
  const { machine } = run;
  const dynamic = declarator.extents.includes(undefined);
  const key = dynamic ? "dynamic shared" : `shared ${run.number(declarator)}`;
  let address = run.arrays.get(key);
  if (address === undefined) {
    const bytes = dynamic ? machine.dynamicSharedBytes : type.bytes;
    if (!dynamic) machine.staticSharedBytes += bytes;
    address = machine.allocateShared(declarator.name, bytes);
    run.arrays.set(key, address);
  }
  scope.declare(declarator.name, { kind: "place", place: { kind: "memory", type, address } });
}

function declareDevice(run: Run, declarator: Declarator, type: ArrayType, scope: Scope): void {
  const address = run.machine.allocateDevice(declarator.name, type.bytes);
  const place: Place = { kind: "memory", type, address };
  scope.declare(declarator.name, { kind: "place", place });
  if (declarator.initial) fill(run, place, run.evaluate(declarator.initial, scope));
}

function declareLocal(run: Run, declarator: Declarator, type: Type, scope: Scope): void {
  const address = run.localAddress(`${declarator.name} ${run.number(declarator)}`, type.bytes);
  const place: Place = { kind: "memory", type, address };
  const value = declarator.initial && run.evaluate(declarator.initial, scope);
  scope.declare(declarator.name, { kind: "place", place });
  if (value) fill(run, place, value);
}

/** Assigns braces to an array or structure, with zeros where they end early. */
function fill(run: Run, place: Place, value: Value): void {
  if (place.kind !== "memory" || value.kind !== "list") {
    assign(run, place, value);
    return;
  }
  const { type, address } = place;
  if (typeof address !== "number") throw new Unsupported("braces at addresses that differ");
  const at = (offset: number, part: Type): Place => ({ kind: "memory", type: part, address: address + offset });
  if (type.kind === "array") {
    for (let index = 0; index < type.count; index++) {
      fill(run, at(index * type.of.bytes, type.of), value.items[index] ?? zeroOf(type.of));
    }
  } else if (type.kind === "record") {
    type.fields.forEach((field, index) => {
      fill(run, at(field.offset, field.type), value.items[index] ?? zeroOf(field.type));
    });
  } else assign(run, place, value.items[0] ?? scalarValue(0, "i32"));
}

function zeroOf(type: Type): Value {
  return type.kind === "array" || type.kind === "record" ? { kind: "list", items: [] } : scalarValue(0, "i32");
}
