import type { CudaToken } from "../../../domain/index.ts";
import type { Expression, TypeName } from "../analysis/ast.ts";
import { parseExpression, type ParserContext } from "../analysis/parse-expression.ts";
import { StatementParser } from "../analysis/parse-statement.ts";
import { parseType } from "../analysis/parse-type.ts";
import { TokenCursor } from "../analysis/token-cursor.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import {
  arrayOf,
  builtInType,
  pointerTo,
  recordType,
  scalarType,
  type Fragment,
  type RecordType,
  type Type,
} from "./types.ts";
import { scalarOfValue, type Scope } from "./values.ts";

/** What a type's name means where it stands. */
export function resolveType(run: Run, name: TypeName, scope: Scope): Type {
  let type = namedType(run, name, scope);
  if (name.rows) {
    for (const extent of name.rows.toReversed()) type = arrayOf(type, constant(run, extent, scope));
  }
  for (let level = 0; level < name.pointers; level++) type = pointerTo(type);
  return type;
}

function namedType(run: Run, name: TypeName, scope: Scope): Type {
  const builtIn = builtInType(name.unsigned ? `u${name.name}` : name.name);
  if (builtIn) return builtIn;
  const entry = scope.lookUp(name.name);
  if (entry?.kind === "type") return entry.type;
  const plain = name.name.slice(name.name.lastIndexOf(":") + 1);
  if (plain === "fragment") return fragmentType(run, name, scope);
  return structureType(run, name.name);
}

function structureType(run: Run, name: string): RecordType {
  const layout = run.program.layouts.get(name);
  if (!layout) throw new Mistyped(`the type ${name}`);
  if (!layout.plain) throw new Unsupported("a structure with more than data");
  const known = run.globals.lookUp(`struct ${name}`);
  if (known?.kind === "type" && known.type.kind === "record") return known.type;
  const members = layout.members.map((member) => {
    let type = resolveType(run, member.type, run.globals);
    for (const extent of member.extents.toReversed()) {
      if (extent) type = arrayOf(type, constant(run, extent, run.globals));
    }
    return { name: member.name, type };
  });
  const align = layout.align.length > 0 ? constant(run, parseTokens(layout.align), run.globals) : 1;
  const type = recordType(name, members, { align, isUnion: layout.isUnion });
  run.globals.declare(`struct ${name}`, { kind: "type", type });
  return type;
}

/** Value of a constant expression. */
export function constant(run: Run, expression: Expression, scope: Scope): number {
  return run.machine.uniform(scalarOfValue(run.evaluate(expression, scope)).lanes, "a constant");
}

function contextOf(tokens: readonly CudaToken[]): ParserContext {
  return new StatementParser(new TokenCursor(tokens), new Set());
}

export function parseTokens(tokens: readonly CudaToken[]): Expression {
  return parseExpression(contextOf(tokens));
}

export function parseTypeTokens(tokens: readonly CudaToken[]): TypeName | undefined {
  const context = contextOf(tokens);
  return parseType(context.cursor, context)?.type;
}

/** Splits tokens at the commas that no bracket holds. */
export function splitTokens(tokens: readonly CudaToken[]): CudaToken[][] {
  const parts: CudaToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (/^[(<[]$/.test(token.text)) depth++;
    if (/^[)>\]]$/.test(token.text)) depth--;
    if (depth === 0 && token.text === ",") parts.push([]);
    else (parts.at(-1) as CudaToken[]).push(token);
  }
  return parts;
}

/** `fragment<use, m, n, k, type, layout>`: each lane holds an equal share of the matrix. */
function fragmentType(run: Run, { template = [] }: TypeName, scope: Scope): RecordType {
  const parts = splitTokens(template);
  const size = (index: number): number => constant(run, parseTokens(parts[index] ?? []), scope);
  const last = (index: number): string => parts[index]?.at(-1)?.text ?? "";
  const use = last(0) === "matrix_a" ? "a" : last(0) === "matrix_b" ? "b" : "c";
  const fragment: Fragment = {
    use,
    rows: size(use === "b" ? 3 : 1),
    columns: size(use === "a" ? 3 : 2),
    columnMajor: last(5) === "col_major",
  };
  const element = last(4) === "tf32" ? scalarType("f32") : elementOf(run, parts[4] ?? [], scope);
  const share = arrayOf(element, Math.ceil((fragment.rows * fragment.columns) / 32));
  return { ...recordType("fragment", [{ name: "x", type: share }]), fragment };
}

/** Of less than a byte; they are right, but not modelled. */
const narrow = /^(b1|[su]4)$/;

function elementOf(run: Run, tokens: readonly CudaToken[], scope: Scope): Type {
  if (narrow.test(tokens.at(-1)?.text ?? "")) throw new Unsupported("a fragment of parts of bytes");
  const written = parseTypeTokens(tokens);
  if (!written) throw new Unsupported("a fragment's type");
  return resolveType(run, written, scope);
}
