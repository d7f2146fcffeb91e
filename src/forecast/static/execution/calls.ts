import type { Expression, FunctionDefinition, Parameter, Statement, TemplateParameter } from "../analysis/ast.ts";
import { addressedNames } from "./addressed-names.ts";
import { declareValue } from "./declarations.ts";
import { callIntrinsic } from "./intrinsics.ts";
import { none } from "./lanes.ts";
import { convert, placeOf, placeType } from "./places.ts";
import { parseTokens, parseTypeTokens } from "./resolve-type.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { builtInType, type Type } from "./types.ts";
import { noValue, Scope, type FunctionValue, type Place, type Value } from "./values.ts";

const deepestCall = 24;

type Call = Expression & { kind: "call" };

export function evaluateCall(run: Run, call: Call, scope: Scope): Value {
  const { callee } = call;
  if (callee.kind === "name") {
    const entry = scope.lookUp(callee.name) ?? scope.lookUp(callee.name.slice(callee.name.lastIndexOf(":") + 1));
    if (entry?.kind === "function") return callFunction(run, entry, call, scope);
    const type = entry?.kind === "type" ? entry.type : builtInType(callee.name);
    if (type) return construct(run, call, type, scope);
    return callIntrinsic(run, callee.name.slice(callee.name.lastIndexOf(":") + 1), call, scope);
  }
  if (callee.kind === "member") throw new Unsupported(`the method ${callee.name}`);
  const value = run.evaluate(callee, scope);
  if (value.kind !== "function") throw new Mistyped("a call of what is no function");
  return callFunction(run, value, call, scope);
}

function construct(run: Run, call: Call, type: Type, scope: Scope): Value {
  const items = call.arguments.map((argument) => run.evaluate(argument, scope));
  const [first] = items;
  return first && items.length === 1 && type.kind !== "record"
    ? convert(run, first, type)
    : convert(run, items.length === 1 && first?.kind === "record" ? first : { kind: "list", items }, type);
}

/** Calls a function of the source, or a lambda. */
function callFunction(run: Run, callee: FunctionValue, call: Call, scope: Scope): Value {
  const definition = chooseOverload(callee.definitions, call.arguments.length);
  const given = definition.parameters.map((parameter, index) => {
    const argument = call.arguments[index] ?? parameter.initial;
    if (!argument) throw new Unsupported("an argument left out");
    const place = parameter.reference ? placeOf(run, argument, scope) : undefined;
    return place ?? run.evaluate(argument, scope);
  });
  const inner = new Scope(callee.scope);
  bindTemplate(run, definition, call, given, inner, scope);
  definition.parameters.forEach((parameter, index) => bindParameter(run, parameter, given[index] as Given, inner));
  return enter(run, definition, inner);
}

/** An argument: its value, or for a reference its place. */
type Given = Value | Place;

function chooseOverload(definitions: readonly FunctionDefinition[], count: number): FunctionDefinition {
  const fitting = definitions.filter(({ parameters }) => {
    const needed = parameters.filter(({ initial }) => !initial).length;
    return count >= needed && count <= parameters.length;
  });
  if (fitting.length === 0) throw new Mistyped("a call that fits no function");
  if (fitting.length > 1) throw new Unsupported("overloads");
  return fitting[0] as FunctionDefinition;
}

/** Binds a template's parameters to the arguments written, to what the call's arguments tell, or to defaults. */
function bindTemplate(
  run: Run,
  definition: FunctionDefinition,
  call: Call,
  given: readonly Given[],
  inner: Scope,
  scope: Scope,
): void {
  (definition.template ?? []).forEach((parameter, index) => {
    const written = call.templateArguments[index];
    if (parameter.isType) {
      const type = writtenType(run, written, scope) ?? deduce(definition, parameter.name, given);
      const fallback = type ? undefined : parseTypeTokens(parameter.initial);
      const bound = type ?? (fallback && run.type(fallback, inner));
      if (!bound) throw new Unsupported("a template's type");
      inner.declare(parameter.name, { kind: "type", type: bound });
    } else bindNumber(run, parameter, written, { inner, scope });
  });
}

function writtenType(run: Run, written: Expression | undefined, scope: Scope): Type | undefined {
  if (written?.kind === "sizeof") return run.type(written.type, scope);
  return written?.kind === "name" ? run.type({ name: written.name, pointers: 0 }, scope) : undefined;
}

function bindNumber(
  run: Run,
  { name, initial }: TemplateParameter,
  written: Expression | undefined,
  { inner, scope }: { readonly inner: Scope; readonly scope: Scope },
): void {
  const expression = written ?? (initial.length > 0 ? parseTokens(initial) : undefined);
  if (!expression) throw new Unsupported("a template's number");
  const value = run.evaluate(expression, written ? scope : inner);
  if (value.kind === "function") inner.declare(name, value);
  else if (value.kind === "list") throw new Unsupported("braces as a template's argument");
  else inner.declare(name, { kind: "variable", type: value.type, mask: run.machine.mask, value });
}

function deduce(definition: FunctionDefinition, name: string, given: readonly Given[]): Type | undefined {
  const index = definition.parameters.findIndex(({ type }) => type.name === name);
  const pointers = definition.parameters[index]?.type.pointers ?? 0;
  const value = given[index];
  let type = value && typeOf(value);
  for (let level = 0; level < pointers; level++) type = type?.kind === "pointer" ? type.to : undefined;
  return type;
}

function typeOf(given: Given): Type | undefined {
  if (given.kind === "memory" || given.kind === "variable") return placeType(given);
  return given.kind === "scalar" || given.kind === "record" ? given.type : undefined;
}

function bindParameter(run: Run, parameter: Parameter, given: Given, inner: Scope): void {
  const { name } = parameter;
  if (given.kind === "memory" || given.kind === "variable") inner.declare(name, { kind: "place", place: given });
  else if (given.kind === "function") inner.declare(name, given);
  else {
    const type = parameter.type.name === "auto" ? undefined : run.type(parameter.type, inner);
    const converted = type && !isRows(given, type) ? convert(run, given, type) : given;
    if (converted.kind === "list" || converted.kind === "function") throw new Unsupported("braces as an argument");
    declareValue(run, name, converted, inner);
  }
}

/** A parameter such as `float tile[][33]` is read as a pointer; the argument knows its rows. */
function isRows(given: Value, type: Type): boolean {
  return (
    type.kind === "pointer" &&
    given.kind === "scalar" &&
    given.type.kind === "pointer" &&
    given.type.to.kind === "array"
  );
}

/** Carries out a function's body, its parameters bound. */
function enter(run: Run, definition: FunctionDefinition, inner: Scope): Value {
  const { machine, frame, loop } = run;
  if (frame.depth > deepestCall) throw new Unsupported("calls too deep");
  const returns = definition.returns.name === "auto" ? undefined : run.type(definition.returns, inner);
  const before = machine.mask;
  const addressed = addressedNames(definition.body);
  run.frame = { depth: frame.depth + 1, outermost: false, addressed, returns, value: undefined };
  run.loop = { broken: none(before), continued: none(before) };
  moveToMemory(run, definition.parameters, addressed, inner);
  run.visit(definition.body, inner);
  const value = run.frame.value ?? noValue;
  machine.mask = before;
  run.frame = frame;
  run.loop = loop;
  return value;
}

/** Parameters whose address is taken need memory. */
export function moveToMemory(
  run: Run,
  parameters: readonly Parameter[],
  addressed: ReadonlySet<string>,
  inner: Scope,
): void {
  for (const { name } of parameters) {
    const entry = inner.lookUp(name);
    if (!addressed.has(name) || entry?.kind !== "variable") continue;
    const address = run.localAddress(`${name} as parameter`, entry.type.bytes);
    inner.declare(name, { kind: "place", place: { kind: "memory", type: entry.type, address } });
    run.visit(assignment(name, entry.value, inner), inner);
  }
}

function assignment(name: string, value: Value, inner: Scope): Statement {
  if (value.kind === "list" || value.kind === "function") throw new Unsupported("the address of a function");
  const hidden = `${name} as given`;
  inner.declare(hidden, { kind: "variable", type: value.type, mask: { active: new Uint8Array(), count: 0 }, value });
  return {
    kind: "expression",
    expression: {
      kind: "assign",
      operator: "",
      target: { kind: "name", name },
      value: { kind: "name", name: hidden },
    },
  };
}
