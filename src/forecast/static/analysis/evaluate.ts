import type { Expression } from "./ast.ts";
import { evaluateCall } from "./calls.ts";
import { wider, type Arithmetic } from "./element-types.ts";
import { at, combine, firstLoopPoint, isUnknown, map, select, type Lanes } from "./lanes.ts";
import { lanesOf, numberValue, unknownNumber, type PointerValue, type Scope, type Value } from "./values.ts";
import type { Walker } from "./walker.ts";

/** Value of an expression; what it does is recorded. */
export function evaluate(walker: Walker, expression: Expression, scope: Scope): Value {
  walker.step();
  switch (expression.kind) {
    case "number":
      return numberValue(expression.value, expression.floating ? "f32" : "integer");
    case "text":
      return unknownNumber;
    case "name":
      return namedValue(walker, expression.name, scope);
    case "sizeof":
      return numberValue(walker.element(expression.type).bytes);
    case "lambda":
      return { kind: "function", definition: expression.definition, scope };
    default:
      return evaluateCompound(walker, expression, scope);
  }
}

type Leaf = "number" | "text" | "name" | "sizeof" | "lambda";

function evaluateCompound(walker: Walker, expression: Exclude<Expression, { kind: Leaf }>, scope: Scope): Value {
  switch (expression.kind) {
    case "member":
    case "index":
      return load(walker, expression, scope);
    case "call":
      return evaluateCall(walker, expression, scope);
    case "unary":
      return evaluateUnary(walker, expression, scope);
    case "binary":
      return evaluateBinary(walker, expression, scope);
    case "assign":
      return evaluateAssignment(walker, expression, scope);
    case "choice":
      return evaluateChoice(walker, expression, scope);
    case "cast":
      return evaluateCast(walker, expression, scope);
    case "list":
      for (const item of expression.items) evaluate(walker, item, scope);
      return unknownNumber;
    default:
      return expression satisfies never;
  }
}

const constants: ReadonlyMap<string, Value> = new Map([
  ["warpSize", numberValue(32)],
  ["true", numberValue(1)],
  ["false", numberValue(0)],
  ["INT_MAX", numberValue(2 ** 31 - 1)],
  ["UINT_MAX", numberValue(2 ** 32 - 1)],
]);

/** Names of headers and the language that have no value here but are no mistakes either. */
const wellKnown =
  /^(INFINITY|NAN|\w*_(MAX|MIN|EPSILON|INF\w*|NAN\w*)|M_\w+|CUDART_\w+|__\w+|nullptr|NULL|this|threadIdx|blockIdx|blockDim|gridDim)$|::/;

function namedValue(walker: Walker, name: string, scope: Scope): Value {
  const value = scope.lookUp(name) ?? constants.get(name);
  const known = value !== undefined || wellKnown.test(name) || walker.program.fields.has(name);
  if (!known && walker.silent === 0) walker.recorder.unresolved++;
  return value ?? unknownNumber;
}

const axes = ["x", "y", "z"];

/** `threadIdx.x` and its kin; undefined for other members. */
function launchIndex(walker: Walker, expression: Expression): Value | undefined {
  if (expression.kind !== "member" || expression.object.kind !== "name") return undefined;
  const axis = axes.indexOf(expression.name);
  if (axis < 0) return undefined;
  const { shape } = walker.recorder;
  const tables: Readonly<Record<string, readonly Lanes[]>> = {
    threadIdx: walker.positions.thread,
    blockIdx: walker.positions.block,
    blockDim: shape.block,
    gridDim: shape.grid,
  };
  const { name } = expression.object;
  return Object.hasOwn(tables, name) ? numberValue(tables[name]?.[axis] ?? 0) : undefined;
}

/** A place in memory: a whole element, or an array still to be indexed. */
interface Place {
  readonly pointer: PointerValue;
  readonly isElement: boolean;
}

/** Where an expression lies in memory; undefined where it is a plain value. */
function locate(walker: Walker, expression: Expression, scope: Scope): Place | undefined {
  if (expression.kind === "index") return locateIndex(walker, expression, scope);
  if (expression.kind === "unary" && expression.operator === "*") {
    const pointer = evaluate(walker, expression.operand, scope);
    return pointer.kind === "pointer" ? { pointer: { ...pointer, extents: [] }, isElement: true } : undefined;
  }
  if (expression.kind === "member") return locateMember(walker, expression, scope);
  if (expression.kind === "name") {
    const value = scope.lookUp(expression.name);
    return value?.kind === "pointer" && value.extents.length > 0 ? { pointer: value, isElement: false } : undefined;
  }
  if (expression.kind === "cast") {
    const value = evaluate(walker, expression, scope);
    return value.kind === "pointer" ? { pointer: value, isElement: false } : undefined;
  }
  return undefined;
}

function locateIndex(walker: Walker, expression: Expression & { kind: "index" }, scope: Scope): Place | undefined {
  const base = evaluate(walker, expression.object, scope);
  const index = lanesOf(evaluate(walker, expression.index, scope));
  if (base.kind !== "pointer") return undefined;
  const extents = base.extents.slice(1);
  const stride = extents.reduce((product, extent) => product * extent, base.element.bytes);
  const offset = combine(base.offset, index, (start, steps) => start + steps * stride);
  return { pointer: { ...base, offset, extents }, isElement: extents.length === 0 };
}

/** A component of a vector or structure in memory: one of its words, by name where that tells which. */
function locateMember(walker: Walker, expression: Expression & { kind: "member" }, scope: Scope): Place | undefined {
  const place = locate(walker, expression.object, scope);
  if (!place) return undefined;
  const component = Math.max(0, "xyzw".indexOf(expression.name));
  const { bytes, arithmetic } = place.pointer.element;
  const width = bytes > 4 ? 4 : bytes > 2 && arithmetic === "f16" ? 2 : bytes;
  const offset = map(place.pointer.offset, (start) => start + component * width);
  const element = { bytes: width, arithmetic };
  return { pointer: { ...place.pointer, offset, element, extents: [] }, isElement: true };
}

function load(walker: Walker, expression: Expression, scope: Scope): Value {
  const index = launchIndex(walker, expression);
  if (index) return index;
  const place = locate(walker, expression, scope);
  if (place) return loadFrom(walker, place);
  return expression.kind === "member" ? memberValue(evaluate(walker, expression.object, scope)) : unknownNumber;
}

function memberValue(object: Value): Value {
  return object.kind === "number" ? numberValue(Number.NaN, object.arithmetic) : unknownNumber;
}

function loadFrom(walker: Walker, { pointer, isElement }: Place): Value {
  if (!isElement) return pointer;
  walker.access(pointer, pointer.element.bytes, { write: false });
  return numberValue(Number.NaN, pointer.element.arithmetic);
}

function evaluateUnary(walker: Walker, expression: Expression & { kind: "unary" }, scope: Scope): Value {
  const { operator, operand } = expression;
  if (operator === "++" || operator === "--") return increment(walker, expression, scope);
  if (operator === "&") return addressOf(walker, operand, scope);
  if (operator === "*") {
    const place = locate(walker, expression, scope);
    return place ? loadFrom(walker, place) : unknownNumber;
  }
  const value = evaluate(walker, operand, scope);
  const lanes = lanesOf(value);
  const arithmetic = value.kind === "number" ? value.arithmetic : "integer";
  if (operator === "-")
    return numberValue(
      map(lanes, (x) => -x),
      arithmetic,
    );
  if (operator === "!") return numberValue(map(lanes, (x) => (Number.isNaN(x) ? x : Number(x === 0))));
  return operator === "~" ? numberValue(map(lanes, (x) => (Number.isNaN(x) ? x : ~x))) : value;
}

function addressOf(walker: Walker, operand: Expression, scope: Scope): Value {
  const place = locate(walker, operand, scope);
  if (place) return { ...place.pointer, extents: place.isElement ? [] : place.pointer.extents };
  return evaluate(walker, operand, scope);
}

function increment(walker: Walker, expression: Expression & { kind: "unary" }, scope: Scope): Value {
  const { operand, operator, postfix } = expression;
  const before = evaluate(walker, operand, scope);
  const after = add(walker, before, numberValue(operator === "++" ? 1 : -1));
  store(walker, operand, after, scope);
  return postfix ? before : after;
}

/** Gives an assignable expression a value: a variable, or memory. */
function store(walker: Walker, target: Expression, value: Value, scope: Scope): void {
  if (target.kind === "name") {
    const old = scope.lookUp(target.name);
    const keepsType = old?.kind === "number" && value.kind === "number";
    walker.assign(target.name, keepsType ? numberValue(value.lanes, old.arithmetic) : value, scope);
    return;
  }
  const place = locate(walker, target, scope);
  if (place?.isElement) walker.access(place.pointer, place.pointer.element.bytes, { write: true });
  else if (target.kind === "member" && target.object.kind === "name") {
    walker.assign(target.object.name, memberValue(evaluate(walker, target.object, scope)), scope);
  }
}

function evaluateAssignment(walker: Walker, expression: Expression & { kind: "assign" }, scope: Scope): Value {
  const { operator, target } = expression;
  let value = evaluate(walker, expression.value, scope);
  if (operator !== "") {
    const fused = (operator === "+" || operator === "-") && isProduct(expression.value);
    value = operate(walker, operator, evaluate(walker, target, scope), value, fused);
  }
  store(walker, target, value, scope);
  return value;
}

function evaluateChoice(walker: Walker, expression: Expression & { kind: "choice" }, scope: Scope): Value {
  const condition = lanesOf(evaluate(walker, expression.condition, scope));
  let yes: Value = unknownNumber;
  let no: Value = unknownNumber;
  walker.within(condition, 1, () => (yes = evaluate(walker, expression.yes, scope)));
  const opposite = map(condition, (x) => (Number.isNaN(x) ? x : Number(x === 0)));
  walker.within(opposite, 1, () => (no = evaluate(walker, expression.no, scope)));
  return choose(condition, yes, no);
}

function choose(condition: Lanes, yes: Value, no: Value): Value {
  if (yes.kind === "number" && no.kind === "number") {
    return numberValue(select(condition, yes.lanes, no.lanes), wider(yes.arithmetic, no.arithmetic));
  }
  if (yes.kind === "pointer" && no.kind === "pointer" && yes.buffer === no.buffer) {
    return { ...yes, offset: select(condition, yes.offset, no.offset) };
  }
  return yes.kind === "pointer" ? yes : no;
}

function evaluateCast(walker: Walker, expression: Expression & { kind: "cast" }, scope: Scope): Value {
  const value = evaluate(walker, expression.operand, scope);
  const converted = walker.convert(value, expression.type, walker.rowExtents(expression.type, scope) ?? []);
  if (value.kind !== "number" || converted.kind !== "number") return converted;
  if (value.arithmetic !== converted.arithmetic && isUnknown(value.lanes)) walker.count("conversion");
  return converted;
}

function isProduct(expression: Expression): boolean {
  return expression.kind === "binary" && expression.operator === "*";
}

function evaluateBinary(walker: Walker, expression: Expression & { kind: "binary" }, scope: Scope): Value {
  const { operator } = expression;
  const left = evaluate(walker, expression.left, scope);
  const right = evaluate(walker, expression.right, scope);
  if (operator === ",") return right;
  const sums = operator === "+" || operator === "-";
  return operate(walker, operator, left, right, sums && (isProduct(expression.left) || isProduct(expression.right)));
}

/** Counts and computes a binary operation; a sum with a product is one instruction with it. */
function operate(walker: Walker, operator: string, left: Value, right: Value, fused: boolean): Value {
  if (left.kind === "pointer" || right.kind === "pointer") return add(walker, left, right, operator);
  const arithmetic = wider(
    left.kind === "number" ? left.arithmetic : "integer",
    right.kind === "number" ? right.arithmetic : "integer",
  );
  const [a, b] = [lanesOf(left), lanesOf(right)];
  const integral = arithmetic === "integer";
  const lanes = combine(a, b, (x, y) => compute(operator, x, y, integral));
  countOperation(walker, operator, arithmetic, { divisor: b, result: lanes, fused });
  return numberValue(lanes, isComparison(operator) ? "integer" : arithmetic);
}

function isComparison(operator: string): boolean {
  return ["<", ">", "<=", ">=", "==", "!=", "&&", "||"].includes(operator);
}

function countOperation(
  walker: Walker,
  operator: string,
  arithmetic: Arithmetic,
  { divisor, result, fused }: { readonly divisor: Lanes; readonly result: Lanes; readonly fused: boolean },
): void {
  if (typeof result === "number" && !Number.isNaN(result)) return;
  const divides = operator === "/" || operator === "%";
  const powerOfTwo = typeof divisor === "number" && Number.isInteger(Math.log2(Math.abs(divisor)));
  if (arithmetic === "integer") {
    walker.count(divides && !powerOfTwo ? "division" : "integer", shareNotHoisted(walker, result));
  } else if (divides) walker.count("division");
  else if (!fused) walker.count(arithmetic);
}

/** Index arithmetic runs once for the loops that do not change it, and folds into constants in unrolled ones. */
function shareNotHoisted(walker: Walker, result: Lanes): number {
  return walker.loops.reduce((share, { depth, trips, unrolled }) => {
    const changes = !Object.is(at(result, firstLoopPoint + depth), at(result, 0));
    return (changes && !unrolled) || Number.isNaN(at(result, 0)) ? share : share / Math.max(1, trips);
  }, 1);
}

function compute(operator: string, x: number, y: number, integral: boolean): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return absorbing(operator, x, y);
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      return integral ? (y === 0 ? Number.NaN : Math.trunc(x / y)) : x / y;
    case "%":
      return x % y;
    default:
      return computeBits(operator, x, y);
  }
}

/** What is known although one side is not: 0 times or and anything. */
function absorbing(operator: string, x: number, y: number): number {
  const zero = x === 0 || y === 0;
  return zero && (operator === "&&" || operator === "&") ? 0 : Number.NaN;
}

function computeBits(operator: string, x: number, y: number): number {
  switch (operator) {
    case "<<":
      return x * 2 ** y;
    case ">>":
      return Math.floor(x / 2 ** y);
    case "&":
      return x < 2 ** 31 && y < 2 ** 31 ? x & y : Number(BigInt(Math.trunc(x)) & BigInt(Math.trunc(y)));
    case "|":
      return x < 2 ** 31 && y < 2 ** 31 ? x | y : Number(BigInt(Math.trunc(x)) | BigInt(Math.trunc(y)));
    case "^":
      return x < 2 ** 31 && y < 2 ** 31 ? x ^ y : Number(BigInt(Math.trunc(x)) ^ BigInt(Math.trunc(y)));
    default:
      return Number(compare(operator, x, y));
  }
}

function compare(operator: string, x: number, y: number): boolean {
  if (operator === "<") return x < y;
  if (operator === ">") return x > y;
  if (operator === "<=") return x <= y;
  if (operator === ">=") return x >= y;
  if (operator === "==") return x === y;
  if (operator === "!=") return x !== y;
  return operator === "&&" ? x !== 0 && y !== 0 : x !== 0 || y !== 0;
}

/** Sum of two numbers, or a pointer moved by elements. */
function add(walker: Walker, left: Value, right: Value, operator = "+"): Value {
  if (left.kind === "number" && right.kind === "number") return operate(walker, operator, left, right, false);
  if (left.kind === "pointer" && right.kind === "pointer") return comparePointers(operator, left, right);
  const pointer = left.kind === "pointer" ? left : right;
  if (pointer.kind !== "pointer") return unknownNumber;
  if (operator !== "+" && operator !== "-") return pointerBits(pointer, operator);
  const steps = lanesOf(pointer === left ? right : left);
  return movePointer(pointer, operator === "-" ? map(steps, (x) => -x) : steps);
}

function movePointer(pointer: PointerValue, steps: Lanes): PointerValue {
  const extents = pointer.extents.slice(1);
  const stride = extents.reduce((product, extent) => product * extent, pointer.element.bytes);
  const offset = combine(pointer.offset, steps, (start, count) => start + count * stride);
  return { ...pointer, offset, extents: extents.length > 0 ? pointer.extents : [] };
}

function comparePointers(operator: string, left: PointerValue, right: PointerValue): Value {
  const same = left.buffer === right.buffer;
  const unknown: Lanes = Number.NaN;
  return numberValue(
    same
      ? combine(left.offset, right.offset, (a, b) =>
          operator === "-" ? (a - b) / left.element.bytes : compute(operator, a, b, true),
        )
      : unknown,
  );
}

/** Alignment tricks on addresses leave the place as it is; comparisons are unknown. */
function pointerBits(pointer: PointerValue, operator: string): Value {
  return isComparison(operator) ? unknownNumber : pointer;
}
