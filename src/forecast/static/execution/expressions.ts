import type { Expression } from "../analysis/ast.ts";
import { commonType, compare, convertLanes, isComparison, operate, promoted } from "./arithmetic.ts";
import { evaluateCall } from "./calls.ts";
import { elementAddresses } from "./fast-arithmetic.ts";
import { blend, mapLanes, where, without, zipLanes, type Lanes } from "./lanes.ts";
import { builtInName } from "./names.ts";
import { assign, blendValues, castTo, convert, fieldIndex, load, placeOf, placeType } from "./places.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { isFloating, pointerTo, scalarType, type PointerType, type ScalarName } from "./types.ts";
import {
  noValue,
  scalarOfValue,
  scalarValue,
  type ListValue,
  type RecordValue,
  type ScalarValue,
  type Scope,
  type Value,
} from "./values.ts";

/** Value of an expression for the lanes that are running; what it does is done. */
export function evaluate(run: Run, expression: Expression, scope: Scope): Value {
  run.machine.step(10);
  switch (expression.kind) {
    case "number":
      return literalOf(expression);
    case "name":
      return evaluateName(run, expression.name, scope);
    case "member":
      return evaluateMember(run, expression, scope);
    case "index":
      return loadPlace(run, expression, scope);
    case "call":
      return evaluateCall(run, expression, scope);
    case "unary":
      return evaluateUnary(run, expression, scope);
    case "binary":
      return evaluateBinary(run, expression, scope);
    case "assign":
      return evaluateAssign(run, expression, scope);
    case "choice":
      return evaluateChoice(run, expression, scope);
    default:
      return evaluateOther(run, expression, scope);
  }
}

function evaluateOther(run: Run, expression: Expression, scope: Scope): Value {
  switch (expression.kind) {
    case "cast": {
      if (expression.reinterprets && expression.type.reference) return loadPlace(run, expression, scope);
      const type = run.type(expression.type, scope);
      const value = evaluate(run, expression.operand, scope);
      return type === scalarType("void") ? noValue : explicit(run, value, type);
    }
    case "sizeof":
      return scalarValue(run.type(expression.type, scope).bytes, "u64");
    case "list": {
      const items = expression.items.map((item) => evaluate(run, item, scope));
      const list: ListValue = { kind: "list", items };
      return expression.type ? convert(run, list, run.type(expression.type, scope)) : list;
    }
    case "lambda":
      return { kind: "function", definitions: [expression.definition], scope };
    default:
      return noValue;
  }
}

function explicit(run: Run, value: Value, type: ReturnType<Run["type"]>): Value {
  if (type.kind === "record" && value.kind === "scalar" && /half2|bfloat162/.test(type.name)) {
    const part = convert(run, value, scalarType(type.name.includes("half") ? "f16" : "bf16"));
    return { kind: "record", type, fields: [part, part] };
  }
  return castTo(run, value, type);
}

const literals = new WeakMap<Expression, ScalarValue>();

function literalOf(expression: Expression & { kind: "number" }): ScalarValue {
  let value = literals.get(expression);
  if (!value) {
    value = literal(expression.value, expression.floating, expression.text ?? "");
    literals.set(expression, value);
  }
  return value;
}

function literal(value: number, floating: boolean, text: string): ScalarValue {
  if (floating) return /[fF]$/.test(text) ? scalarValue(Math.fround(value), "f32") : scalarValue(value, "f64");
  if (!Number.isSafeInteger(value)) throw new Unsupported("a number beyond 53 bits");
  const [suffix] = /[ul]*$/i.exec(text) ?? [""];
  return scalarValue(value, integerType(value, suffix.toLowerCase(), /^0[xb]/i.test(text)));
}

/** Decimal numbers without suffix are signed; others take the first type that holds them. */
function integerType(value: number, suffix: string, hexadecimal: boolean): ScalarName {
  const unsigned = suffix.includes("u");
  const widest = unsigned || hexadecimal ? 0xffffffff : 0x7fffffff;
  if (suffix.includes("l") || value > widest) return unsigned ? "u64" : "i64";
  return unsigned || value > 0x7fffffff ? "u32" : "i32";
}

function evaluateName(run: Run, name: string, scope: Scope): Value {
  const entry = scope.lookUp(name);
  if (!entry) return builtInName(run, name);
  if (entry.kind === "variable") return entry.value;
  if (entry.kind === "place") return load(run, entry.place);
  if (entry.kind === "function") return entry;
  throw new Unsupported(`the type ${name} as a value`);
}

function loadPlace(run: Run, expression: Expression, scope: Scope): Value {
  const place = placeOf(run, expression, scope);
  if (!place) throw new Unsupported("a value where a place is needed");
  return load(run, place);
}

function evaluateMember(run: Run, expression: Expression & { kind: "member" }, scope: Scope): Value {
  const { object, name } = expression;
  if (name === "num_elements") {
    const place = placeOf(run, { kind: "member", object, name: "x" }, scope);
    const type = place && placeType(place);
    if (type?.kind === "array") return scalarValue(type.count, "i32");
  }
  const place = placeOf(run, expression, scope);
  if (place) return load(run, place);
  const value = evaluate(run, object, scope);
  if (value.kind === "record") return value.fields[fieldIndex(value.type, name)] as Value;
  throw new Mistyped(`the member ${name}`);
}

function evaluateUnary(run: Run, expression: Expression & { kind: "unary" }, scope: Scope): Value {
  const { operator, operand } = expression;
  if (operator === "&") return addressOf(run, operand, scope);
  if (operator === "*") return loadPlace(run, expression, scope);
  if (operator === "++" || operator === "--") return increment(run, expression, scope);
  const value = evaluate(run, operand, scope);
  if (value.kind === "record") return mapRecord(value, (field) => unary(run, operator, field));
  return unary(run, operator, scalarOfValue(value));
}

function unary(run: Run, operator: string, value: ScalarValue): ScalarValue {
  run.machine.step(run.machine.width);
  if (operator === "!")
    return scalarValue(
      mapLanes(value.lanes, (x) => (x === 0 ? 1 : 0)),
      "bool",
    );
  if (value.type.kind === "pointer") throw new Mistyped(`${operator} of a pointer`);
  const type = promoted(value.type);
  const lanes = convertLanes(value.lanes, value.type, type);
  if (operator === "+") return { kind: "scalar", type, lanes };
  if (operator === "~") return { kind: "scalar", type, lanes: operate("-", type, operate("-", type, 0, lanes), 1) };
  return isFloating(type)
    ? { kind: "scalar", type, lanes: mapLanes(lanes, (x) => -x) }
    : { kind: "scalar", type, lanes: operate("-", type, 0, lanes) };
}

function mapRecord(value: RecordValue, operation: (field: ScalarValue) => Value): RecordValue {
  return { ...value, fields: value.fields.map((field) => operation(scalarOfValue(field))) };
}

function addressOf(run: Run, operand: Expression, scope: Scope): Value {
  const place = placeOf(run, operand, scope);
  if (place?.kind === "memory") return { kind: "scalar", type: pointerTo(place.type), lanes: place.address };
  const value = place ? undefined : evaluate(run, operand, scope);
  if (value?.kind === "function") return value;
  throw new Unsupported("the address of a register");
}

function increment(run: Run, expression: Expression & { kind: "unary" }, scope: Scope): Value {
  const place = placeOf(run, expression.operand, scope);
  if (!place) throw new Mistyped("++ of a value");
  const before = load(run, place);
  const after = binary(run, expression.operator === "++" ? "+" : "-", before, scalarValue(1, "i32"));
  const converted = convert(run, after, placeType(place));
  assign(run, place, converted);
  return expression.postfix ? before : converted;
}

function evaluateBinary(run: Run, expression: Expression & { kind: "binary" }, scope: Scope): Value {
  const { operator, left, right } = expression;
  if (operator === "&&" || operator === "||") return evaluateLogical(run, expression, scope);
  const a = evaluate(run, left, scope);
  const b = evaluate(run, right, scope);
  return operator === "," ? b : binary(run, operator, a, b);
}

/** The right side is carried out only for lanes that need it. */
function evaluateLogical(run: Run, expression: Expression & { kind: "binary" }, scope: Scope): Value {
  const { machine } = run;
  const left = mapLanes(scalarOfValue(evaluate(run, expression.left, scope)).lanes, (x) => (x === 0 ? 0 : 1));
  const before = machine.mask;
  const yes = where(before, left);
  const asking = expression.operator === "&&" ? yes : without(before, yes);
  if (asking.count === 0) return scalarValue(left, "bool");
  machine.mask = asking;
  const right = mapLanes(scalarOfValue(evaluate(run, expression.right, scope)).lanes, (x) => (x === 0 ? 0 : 1));
  machine.mask = before;
  return scalarValue(asking === before ? right : blend(left, right, asking), "bool");
}

/** Result of an operator on two values. */
function binary(run: Run, operator: string, left: Value, right: Value): Value {
  if (left.kind === "record" || right.kind === "record") return binaryRecords(run, operator, left, right);
  const a = scalarOfValue(left);
  const b = scalarOfValue(right);
  run.machine.step(typeof a.lanes === "number" && typeof b.lanes === "number" ? 1 : run.machine.width);
  if (isComparison(operator)) return scalarValue(compareScalars(operator, a, b), "bool");
  if (a.type.kind === "pointer" || b.type.kind === "pointer") return movePointer(operator, a, b);
  const type = operator === "<<" || operator === ">>" ? promoted(a.type) : commonType(a.type, b.type);
  const x = convertLanes(a.lanes, a.type, type);
  const y = operator === "<<" || operator === ">>" ? b.lanes : convertLanes(b.lanes, b.type, type);
  return { kind: "scalar", type, lanes: operate(operator, type, x, y) };
}

function compareScalars(operator: string, a: ScalarValue, b: ScalarValue): Lanes {
  if (a.type.kind === "pointer" || b.type.kind === "pointer") return compare(operator, a.lanes, b.lanes);
  const type = commonType(a.type, b.type);
  return compare(operator, convertLanes(a.lanes, a.type, type), convertLanes(b.lanes, b.type, type));
}

function movePointer(operator: string, a: ScalarValue, b: ScalarValue): ScalarValue {
  if (a.type.kind === "pointer" && b.type.kind === "pointer") {
    if (operator !== "-") throw new Mistyped(`${operator} of pointers`);
    const { bytes } = a.type.to;
    return scalarValue(
      zipLanes(a.lanes, b.lanes, (x, y) => (x - y) / bytes),
      "i64",
    );
  }
  const [pointer, index] = a.type.kind === "pointer" ? [a, b] : [b, a];
  const { bytes } = (pointer.type as PointerType).to;
  if (operator === "+") return { ...pointer, lanes: elementAddresses(pointer.lanes, index.lanes, bytes) };
  if (operator === "-") return { ...pointer, lanes: elementAddresses(pointer.lanes, index.lanes, -bytes) };
  throw new Mistyped(`${operator} of a pointer`);
}

/** Operators of pairs of halves, part by part. */
function binaryRecords(run: Run, operator: string, left: Value, right: Value): Value {
  const record = left.kind === "record" ? left : right;
  if (record.kind !== "record" || !/half2|bfloat162/.test(record.type.name))
    throw new Mistyped(`${operator} of structures`);
  if (isComparison(operator)) throw new Unsupported("pairs compared");
  const part = (value: Value, index: number): Value =>
    value.kind === "record" ? (value.fields[index] as Value) : value;
  const fields = record.fields.map((_, index) => binary(run, operator, part(left, index), part(right, index)));
  return { ...record, fields };
}

function evaluateAssign(run: Run, expression: Expression & { kind: "assign" }, scope: Scope): Value {
  const { operator, target, value } = expression;
  if (operator !== "") {
    const place = placeOf(run, target, scope);
    if (!place) throw new Mistyped("an assignment to a value");
    const before = load(run, place);
    const result = convert(run, binary(run, operator, before, evaluate(run, value, scope)), placeType(place));
    assign(run, place, result);
    return result;
  }
  const given = evaluate(run, value, scope);
  const place = placeOf(run, target, scope);
  if (!place) throw new Mistyped("an assignment to a value");
  if (given.kind === "function") throw new Unsupported("a function assigned");
  const converted = convert(run, given, placeType(place));
  assign(run, place, converted);
  return converted;
}

function evaluateChoice(run: Run, { condition, yes, no }: Expression & { kind: "choice" }, scope: Scope): Value {
  const { machine } = run;
  const chosen = scalarOfValue(evaluate(run, condition, scope)).lanes;
  const before = machine.mask;
  const taken = where(before, chosen);
  if (taken === before) return evaluate(run, yes, scope);
  if (taken.count === 0) return evaluate(run, no, scope);
  machine.mask = taken;
  const first = evaluate(run, yes, scope);
  machine.mask = without(before, taken);
  const second = evaluate(run, no, scope);
  machine.mask = before;
  return choose(run, first, second, taken);
}

function choose(run: Run, yes: Value, no: Value, taken: ReturnType<typeof where>): Value {
  if (yes.kind !== "scalar" || no.kind !== "scalar") return blendValues(no, yes, taken);
  if (yes.type.kind === "pointer" || no.type.kind === "pointer") {
    const type = yes.type.kind === "pointer" ? yes.type : no.type;
    return { kind: "scalar", type, lanes: blend(no.lanes, yes.lanes, taken) };
  }
  const type = commonType(yes.type, no.type);
  return blendValues(convert(run, no, type), convert(run, yes, type), taken);
}
