import type { CudaToken } from "../../../domain/index.ts";
import type { TypeName } from "./ast.ts";
import { elementType } from "./element-types.ts";
import type { TokenCursor } from "./token-cursor.ts";

const qualifiers = new Set([
  "const",
  "constexpr",
  "volatile",
  "static",
  "inline",
  "register",
  "extern",
  "typename",
  "struct",
  "mutable",
  "__restrict__",
  "__restrict",
  "restrict",
  "__device__",
  "__host__",
  "__global__",
  "__constant__",
  "__forceinline__",
  "__noinline__",
  "__inline__",
  "__grid_constant__",
]);

const modifiers = new Set(["unsigned", "signed", "long", "short"]);
const withParentheses = new Set(["__launch_bounds__", "__align__", "alignas", "__attribute__", "__maxnreg__"]);

/** Names that the source itself defines as types. */
export interface KnownTypes {
  readonly names: ReadonlySet<string>;
}

/** A parsed type with what its qualifiers said. */
export interface QualifiedType {
  readonly type: TypeName;
  readonly launchBounds?: readonly CudaToken[];
  readonly shared: boolean;
  readonly certain: boolean;
}

/**
 * Takes a type with its qualifiers and pointers, or takes nothing and returns undefined. `certain` is false where an
 * unknown identifier was taken for a type.
 */
export function parseType(cursor: TokenCursor, known: KnownTypes): QualifiedType | undefined {
  const start = cursor.position;
  const seen: Qualifiers = { shared: false, qualified: false };
  skipQualifiers(cursor, seen);
  const name = parseName(cursor);
  if (name === undefined) {
    cursor.position = start;
    return undefined;
  }
  skipQualifiers(cursor, seen);
  const certain = seen.qualified || elementType(name.name) !== undefined || known.names.has(name.name);
  const { launchBounds, shared } = seen;
  return {
    type: withPointers(name, cursor),
    shared,
    certain,
    ...(launchBounds ? { launchBounds } : {}),
  };
}

function withPointers(name: Name, cursor: TokenCursor): TypeName {
  const start = cursor.position;
  const pointers = parsePointers(cursor);
  const reference = cursor.tokens.slice(start, cursor.position).some(({ text }) => text === "&" || text === "&&");
  return { ...name, pointers, ...(reference ? { reference } : {}) };
}

interface Qualifiers {
  shared: boolean;
  qualified: boolean;
  launchBounds?: readonly CudaToken[];
}

type Name = Pick<TypeName, "name" | "unsigned" | "template">;

/** Takes `*`, `&`, `&&` and qualifiers between a type and a declarator; returns the number of `*`. */
export function parsePointers(cursor: TokenCursor): number {
  let pointers = 0;
  for (;;) {
    if (cursor.accept("*")) pointers++;
    else if (!cursor.accept("&") && !cursor.accept("&&")) {
      if (!qualifiers.has(cursor.peek())) return pointers;
      cursor.next();
    }
  }
}

function skipQualifiers(cursor: TokenCursor, seen: Qualifiers): void {
  for (;;) {
    const word = cursor.peek();
    if (withParentheses.has(word)) {
      cursor.next();
      const start = cursor.position;
      if (cursor.peek() === "(") cursor.skipGroup();
      if (word === "__launch_bounds__") seen.launchBounds = cursor.tokens.slice(start + 1, cursor.position - 1);
    } else if (word === "__shared__" || qualifiers.has(word)) {
      cursor.next();
      if (word === "__shared__") seen.shared = true;
      if (word === "extern" && cursor.kind() === "string") cursor.next();
      seen.qualified = true;
    } else return;
  }
}

function parseName(cursor: TokenCursor): Name | undefined {
  if (modifiers.has(cursor.peek())) return parseModified(cursor);
  if (cursor.kind() !== "identifier") return undefined;
  let name = cursor.next();
  let template = takeTemplate(cursor);
  while (cursor.peek() === "::" && cursor.kind(1) === "identifier") {
    cursor.next();
    name += `::${cursor.next()}`;
    template = takeTemplate(cursor);
  }
  return template ? { name, template } : { name };
}

function takeTemplate(cursor: TokenCursor): readonly CudaToken[] | undefined {
  const end = cursor.peek() === "<" ? cursor.templateEnd(0) : undefined;
  if (end === undefined) return undefined;
  const start = cursor.position + 1;
  cursor.position = end;
  return cursor.tokens.slice(start, end - 1);
}

/** `unsigned long long`, `long int`, `unsigned` … */
function parseModified(cursor: TokenCursor): Name {
  const words: string[] = [];
  while (modifiers.has(cursor.peek())) words.push(cursor.next());
  if (["int", "char", "double"].includes(cursor.peek())) words.push(cursor.next());
  const name = ["char", "double", "long", "short"].find((word) => words.includes(word)) ?? "int";
  return words.includes("unsigned") ? { name, unsigned: true } : { name };
}
