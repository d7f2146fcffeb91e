import type { Expression, Statement } from "../analysis/ast.ts";

const known = new WeakMap<Statement, ReadonlySet<string>>();

/** Names of variables whose address a function's body takes, or that it sees as another type. */
export function addressedNames(body: Statement): ReadonlySet<string> {
  let names = known.get(body);
  if (!names) {
    const found = new Set<string>();
    search(body, found);
    names = found;
    known.set(body, names);
  }
  return names;
}

type Node = Statement | Expression;

function search(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) for (const part of node) search(part, found);
  else if (typeof node === "object" && node !== null) {
    const name = addressedBy(node as Node);
    if (name !== undefined) found.add(name);
    for (const part of Object.values(node)) if (typeof part === "object") search(part, found);
  }
}

function addressedBy(node: Node): string | undefined {
  if (node.kind === "unary" && node.operator === "&") return rootOf(node.operand);
  if (node.kind === "cast" && node.reinterprets && node.type.reference) return rootOf(node.operand);
  return undefined;
}

function rootOf(expression: Expression): string | undefined {
  if (expression.kind === "name") return expression.name;
  return expression.kind === "member" ? rootOf(expression.object) : undefined;
}
