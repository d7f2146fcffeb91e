import jsep from "jsep";
import { KernelcastError } from "./errors.ts";
import type { Expression } from "./kernel.ts";

export type Names = Readonly<Record<string, number>>;

const binary: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": divideExactly,
  "%": (a, b) => a % b,
  "<": (a, b) => Number(a < b),
  "<=": (a, b) => Number(a <= b),
  ">": (a, b) => Number(a > b),
  ">=": (a, b) => Number(a >= b),
  "==": (a, b) => Number(a === b),
  "!=": (a, b) => Number(a !== b),
  "&&": (a, b) => Number(a !== 0 && b !== 0),
  "||": (a, b) => Number(a !== 0 || b !== 0),
};

const functions: Readonly<Record<string, { readonly arity: number; readonly apply: (...values: number[]) => number }>> =
  {
    ceil_div: { arity: 2, apply: (a, b) => Math.ceil(a / b) },
    min: { arity: 2, apply: Math.min },
    max: { arity: 2, apply: Math.max },
  };

function divideExactly(a: number, b: number): number {
  if (a % b !== 0) throw new KernelcastError("task", `${a} / ${b} is not an integer (use ceil_div to round up)`);
  return a / b;
}

/**
 * Value of an integer expression over named numbers. Throws `KernelcastError("task", …)`, naming the expression, when
 * it does not parse, uses an unknown name or operator, or is not a finite integer.
 */
export function evaluateExpression(expression: Expression, names: Names): number {
  const value =
    typeof expression === "number" ? expression : located(expression, () => visit(parse(expression), names));
  if (!Number.isSafeInteger(value)) {
    const what = typeof expression === "number" ? `${value}` : `expression "${expression}" gives ${value}, which`;
    throw new KernelcastError("task", `${what} is not an integer`);
  }
  return value;
}

function located(expression: string, evaluate: () => number): number {
  try {
    return evaluate();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new KernelcastError("task", `expression "${expression}": ${message}`);
  }
}

/** Expressions of a space are evaluated at each of its points. */
const parsed = new Map<string, jsep.Expression>();
const mostParsed = 1000;

function parse(expression: string): jsep.Expression {
  const known = parsed.get(expression);
  if (known) return known;
  const tree = jsep(expression);
  if (parsed.size >= mostParsed) parsed.clear();
  parsed.set(expression, tree);
  return tree;
}

function visit(node: jsep.Expression, names: Names): number {
  switch (node.type) {
    case "Literal":
      return literal(node as jsep.Literal);
    case "Identifier":
      return lookUp((node as jsep.Identifier).name, names);
    case "UnaryExpression":
      return negate(node as jsep.UnaryExpression, names);
    case "BinaryExpression":
      return combine(node as jsep.BinaryExpression, names);
    case "CallExpression":
      return call(node as jsep.CallExpression, names);
    default:
      throw new Error(`${node.type} is not allowed (use + - * / %, parentheses, ceil_div, min, max)`);
  }
}

function literal(node: jsep.Literal): number {
  if (typeof node.value !== "number") throw new Error(`${node.raw} is not a number`);
  return node.value;
}

function lookUp(name: string, names: Names): number {
  const value = Object.hasOwn(names, name) ? names[name] : undefined;
  if (value === undefined)
    throw new Error(`unknown name "${name}" (known: ${Object.keys(names).join(", ") || "none"})`);
  return value;
}

function negate(node: jsep.UnaryExpression, names: Names): number {
  if (node.operator !== "-") throw new Error(`operator "${node.operator}" is not allowed`);
  return -visit(node.argument, names);
}

function combine(node: jsep.BinaryExpression, names: Names): number {
  const apply = Object.hasOwn(binary, node.operator) ? binary[node.operator] : undefined;
  if (!apply) throw new Error(`operator "${node.operator}" is not allowed`);
  return apply(visit(node.left, names), visit(node.right, names));
}

function call(node: jsep.CallExpression, names: Names): number {
  const name = node.callee.type === "Identifier" ? (node.callee as jsep.Identifier).name : "";
  const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (name === "") throw new Error(`only ${Object.keys(functions).join(", ")} can be called`);
  if (!known) throw new Error(`unknown function "${name}" (known: ${Object.keys(functions).join(", ")})`);
  if (node.arguments.length !== known.arity) throw new Error(`${name} takes ${known.arity} arguments`);
  return known.apply(...node.arguments.map((argument) => visit(argument, names)));
}
