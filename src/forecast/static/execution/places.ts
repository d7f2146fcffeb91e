import type { Expression } from "../analysis/ast.ts";
import { convertLanes } from "./arithmetic.ts";
import { elementAddresses } from "./fast-arithmetic.ts";
import { blend, zipLanes, type Lanes, type Mask } from "./lanes.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { pointerTo, scalarType, type ArrayType, type RecordType, type Type } from "./types.ts";
import { scalarOfValue, type Place, type ScalarValue, type Scope, type Value } from "./values.ts";

/** Where an expression's value lives; undefined where it is only a value. */
export function placeOf(run: Run, expression: Expression, scope: Scope): Place | undefined {
  switch (expression.kind) {
    case "name":
      return placeOfName(expression.name, scope);
    case "member":
      return placeOfMember(run, expression, scope);
    case "index": {
      const base = scalarOfValue(run.evaluate(expression.object, scope));
      const index = scalarOfValue(run.evaluate(expression.index, scope));
      return base.type.kind === "pointer"
        ? atOffset(base.type.to, base.lanes, index.lanes)
        : atOffset(indexed(index.type), index.lanes, base.lanes);
    }
    case "unary":
      return placeOfUnary(run, expression, scope);
    case "cast":
      return placeOfCast(run, expression, scope);
    case "assign":
      run.evaluate(expression, scope);
      return placeOf(run, expression.target, scope);
    default:
      return undefined;
  }
}

function indexed(type: Type): Type {
  if (type.kind !== "pointer") throw new Mistyped("an index into what is no array");
  return type.to;
}

function placeOfName(name: string, scope: Scope): Place | undefined {
  const entry = scope.lookUp(name);
  if (entry?.kind === "variable") return { kind: "variable", variable: entry, path: [] };
  return entry?.kind === "place" ? entry.place : undefined;
}

function placeOfMember(run: Run, expression: Expression & { kind: "member" }, scope: Scope): Place | undefined {
  const object = placeOf(run, expression.object, scope);
  if (!object) {
    const value = expression.object.kind === "name" ? undefined : followed(run, expression.object, scope);
    return value && fieldAt(value.type, value.lanes, expression.name);
  }
  const type = placeType(object);
  if (type.kind === "pointer" && type.to.kind === "record") {
    const { lanes } = scalarOfValue(load(run, object));
    return fieldAt(type.to, lanes, expression.name);
  }
  if (type.kind !== "record") return undefined;
  if (object.kind === "memory") return fieldAt(type, object.address, expression.name);
  return { ...object, path: [...object.path, fieldIndex(type, expression.name)] };
}

/** What a pointer that has no place of its own points to, for example `(p + 1)->x`. */
function followed(
  run: Run,
  expression: Expression,
  scope: Scope,
): { readonly type: RecordType; readonly lanes: Lanes } | undefined {
  if (expression.kind !== "binary" && expression.kind !== "cast") return undefined;
  const value = run.evaluate(expression, scope);
  if (value.kind !== "scalar" || value.type.kind !== "pointer" || value.type.to.kind !== "record") return undefined;
  return { type: value.type.to, lanes: value.lanes };
}

export function fieldIndex(type: RecordType, name: string): number {
  const index = type.fields.findIndex((field) => field.name === name);
  if (index < 0) throw new Mistyped(`the member ${name}`);
  return index;
}

function fieldAt(type: RecordType, address: Lanes, name: string): Place {
  const field = type.fields[fieldIndex(type, name)] as RecordType["fields"][number];
  return { kind: "memory", type: field.type, address: elementAddresses(address, field.offset, 1) };
}

function placeOfUnary(run: Run, expression: Expression & { kind: "unary" }, scope: Scope): Place | undefined {
  const { operator, operand, postfix } = expression;
  if (operator === "*") {
    const pointer = scalarOfValue(run.evaluate(operand, scope));
    if (pointer.type.kind !== "pointer") throw new Mistyped("what is no pointer followed");
    return { kind: "memory", type: pointer.type.to, address: pointer.lanes };
  }
  if (postfix || !/^(\+\+|--)$/.test(operator)) return undefined;
  run.evaluate(expression, scope);
  return placeOf(run, operand, scope);
}

/** `reinterpret_cast<float4&>(x)`. */
function placeOfCast(run: Run, expression: Expression & { kind: "cast" }, scope: Scope): Place | undefined {
  if (!expression.reinterprets || !expression.type.reference) return undefined;
  const place = placeOf(run, expression.operand, scope);
  if (place?.kind !== "memory") throw new Unsupported("a register seen as another type");
  return { ...place, type: run.type(expression.type, scope) };
}

/** Element `index` of an array that starts at an address. */
function atOffset(type: Type, address: Lanes, index: Lanes): Place {
  return { kind: "memory", type, address: elementAddresses(address, index, type.bytes) };
}

export function placeType(place: Place): Type {
  if (place.kind === "memory") return place.type;
  let { type } = place.variable;
  for (const index of place.path) type = (type as RecordType).fields[index]?.type as Type;
  return type;
}

/** The value at a place; an array is a pointer to its first element. */
export function load(run: Run, place: Place): Value {
  if (place.kind === "memory") return loadFrom(run, place.type, place.address);
  let { value } = place.variable;
  for (const index of place.path) {
    if (value.kind !== "record") throw new Mistyped("a member of what is no structure");
    value = value.fields[index] as Value;
  }
  return value;
}

function loadFrom(run: Run, type: Type, address: Lanes): Value {
  if (type.kind === "array") return { kind: "scalar", type: pointerTo(type.of), lanes: address };
  if (type.kind !== "record") return { kind: "scalar", type, lanes: run.machine.load(type, address) };
  if (type.align > 4) run.machine.checkAlignment(address, type.align);
  const fields = run.machine.holes.readParts(partsOf(type), () =>
    type.fields.map((field) => {
      if (field.type.kind === "array") return loadArray(run, field.type, elementAddresses(address, field.offset, 1));
      return loadFrom(run, field.type, elementAddresses(address, field.offset, 1));
    }),
  );
  return { kind: "record", type, fields };
}

/** How many numbers a value of a type consists of. */
function partsOf(type: Type): number {
  if (type.kind === "array") return type.count * partsOf(type.of);
  return type.kind === "record" ? type.fields.reduce((sum, field) => sum + partsOf(field.type), 0) : 1;
}

/** All elements of an array inside a structure that is copied. */
function loadArray(run: Run, type: ArrayType, address: Lanes): Value {
  const items = Array.from({ length: type.count }, (_, index) => {
    const at = elementAddresses(address, index, type.of.bytes);
    return type.of.kind === "array" ? loadArray(run, type.of, at) : loadFrom(run, type.of, at);
  });
  return { kind: "list", items };
}

/** Assigns a value to a place, in the lanes that are running. */
export function assign(run: Run, place: Place, value: Value): void {
  run.changes++;
  const converted = convert(run, value, placeType(place));
  if (place.kind === "memory") {
    storeTo(run, place.type, place.address, converted);
    return;
  }
  const { variable, path } = place;
  const { mask } = run.machine;
  variable.value = replaceAt(variable.value, path, 0, converted, mask === variable.mask ? undefined : mask);
}

function replaceAt(before: Value, path: readonly number[], level: number, now: Value, mask: Mask | undefined): Value {
  const index = path[level];
  if (index === undefined) return mask ? blendValues(before, now, mask) : now;
  if (before.kind !== "record") throw new Mistyped("a member of what is no structure");
  const fields = before.fields.slice();
  fields[index] = replaceAt(fields[index] as Value, path, level + 1, now, mask);
  return { ...before, fields };
}

/** `now` in the lanes of a mask, `before` in the others. */
export function blendValues(before: Value, now: Value, mask: Mask): Value {
  if (before.kind === "scalar" && now.kind === "scalar") {
    return { ...now, lanes: blend(before.lanes, now.lanes, mask) };
  }
  if (before.kind === "record" && now.kind === "record") {
    return {
      ...now,
      fields: now.fields.map((field, index) => blendValues(before.fields[index] as Value, field, mask)),
    };
  }
  throw new Unsupported("values of different kinds");
}

function storeTo(run: Run, type: Type, address: Lanes, value: Value): void {
  if (type.kind === "record" && value.kind === "record") {
    if (type.align > 4) run.machine.checkAlignment(address, type.align);
    type.fields.forEach((field, index) => {
      storeTo(run, field.type, elementAddresses(address, field.offset, 1), value.fields[index] as Value);
    });
  } else if (type.kind === "scalar" || type.kind === "pointer") {
    run.machine.store(type, address, scalarOfValue(value).lanes);
  } else if (type.kind === "array" && value.kind === "list") {
    value.items.forEach((item, index) => storeTo(run, type.of, elementAddresses(address, index, type.of.bytes), item));
  } else throw new Unsupported("an array assigned");
}

/** A value as one of another type. */
export function convert(run: Run, value: Value, type: Type): Value {
  if (value.kind === "list") return convertList(run, value.items, type);
  if (value.kind === "record") {
    if (type.kind !== "record" || type.fields.length !== value.fields.length)
      throw new Mistyped("a structure converted");
    return type === value.type ? value : { ...value, type };
  }
  if (value.kind === "function" || type.kind === "array") throw new Unsupported(`a ${value.kind} converted`);
  if (type.kind === "record") throw new Mistyped("a number made a structure");
  if (value.type === type) return value;
  if (value.type.kind === "pointer" || type.kind === "pointer") return convertPointer(value, type);
  return { kind: "scalar", type, lanes: convertLanes(value.lanes, value.type, type) };
}

/** A value as an explicit cast turns it into another type: pointers become anything. */
export function castTo(run: Run, value: Value, type: Type): Value {
  if (value.kind !== "scalar" || type.kind === "record" || type.kind === "array") return convert(run, value, type);
  return value.type.kind === "pointer" || type.kind === "pointer"
    ? castPointer(value, type)
    : convert(run, value, type);
}

/** Without a cast, a pointer turns into a pointer to the same or to `void`, or into a truth. */
function convertPointer(value: ScalarValue, to: Type): Value {
  const from = value.type;
  const same =
    from.kind === "pointer" && to.kind === "pointer"
      ? from.to === to.to || isVoid(to.to) || from.to.kind === "array" || to.to.kind === "array"
      : to.kind === "scalar"
        ? to.name === "bool"
        : value.lanes === 0;
  if (!same) throw new Mistyped("a pointer converted without a cast");
  return castPointer(value, to);
}

function isVoid(type: Type): boolean {
  return type.kind === "scalar" && type.name === "void";
}

function castPointer(value: ScalarValue, to: Type): Value {
  if (to.kind === "pointer") return { ...value, type: to };
  if (to.kind !== "scalar") throw new Unsupported("a pointer converted");
  if (to.name === "bool")
    return { kind: "scalar", type: to, lanes: zipLanes(value.lanes, 0, (x) => (x === 0 ? 0 : 1)) };
  return { kind: "scalar", type: to, lanes: convertLanes(value.lanes, scalarType("u64"), to) };
}

function convertList(run: Run, items: readonly Value[], type: Type): Value {
  if (type.kind === "record") {
    const fields = type.fields.map((field, index) => {
      const item = items[index] ?? { kind: "list", items: [] };
      return field.type.kind === "array" ? item : convert(run, item, field.type);
    });
    return { kind: "record", type, fields };
  }
  if (type.kind === "array") throw new Mistyped("an array of braces");
  const [first] = items;
  return first ? convert(run, first, type) : { kind: "scalar", type, lanes: 0 };
}
