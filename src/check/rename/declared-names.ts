import type { CudaToken } from "../../domain/index.ts";
import { isType, isWord, mayEndType } from "./known-names.ts";
import { splitDirectives } from "./split-directives.ts";
import { structBodies } from "./struct-bodies.ts";

/** Names that a program declares. */
export interface DeclaredNames {
  readonly names: ReadonlySet<string>;
  /** Those declared as members of its own types. */
  readonly members: ReadonlySet<string>;
  readonly macros: ReadonlySet<string>;
}

/**
 * The names that a program declares, as far as its tokens show without a full parse: functions, variables, parameters, types,
 * members, enumerators, template parameters, macros and theirs. A declaration that is missed leaves its name out; none of a
 * program's headers' names is found but where the program declares the like itself.
 */
export function declaredNames(source: readonly CudaToken[]): DeclaredNames {
  const { code, directives } = splitDirectives(source);
  const macros = new Set<string>();
  const names = new Set<string>();
  const members = new Set<string>();
  for (const line of directives) {
    for (const name of macroNames(line)) macros.add(name);
    for (const place of declaredPlaces(line.slice(3))) names.add((line[place + 3] as CudaToken).text);
  }
  const bodies = structBodies(code);
  for (const place of declaredPlaces(code)) {
    const { text } = code[place] as CudaToken;
    (bodies.isMember(place) ? members : names).add(text);
  }
  for (const place of bodies.enumerators) names.add((code[place] as CudaToken).text);
  for (const name of [...macros, ...members]) names.add(name);
  return { names, members, macros };
}

/** The name of a `#define`, and its parameters. */
function macroNames(line: readonly CudaToken[]): string[] {
  if (line[1]?.text !== "define" || line[2]?.kind !== "identifier") return [];
  const names = [line[2].text];
  if (line[3]?.text !== "(") return names;
  for (let at = 4; at < line.length && line[at]?.text !== ")"; at++) {
    if (line[at]?.kind === "identifier") names.push((line[at] as CudaToken).text);
  }
  return names;
}

/** What may follow a name where it is declared. */
const followers = new Set(["=", ";", ",", "(", ")", "[", "{", ":", ">"]);
/** What may follow a further name of a declaration: `, b = 1`. */
const listFollowers = new Set(["=", ";", ",", "(", "[", "{"]);

function declaredPlaces(code: readonly CudaToken[]): number[] {
  const places: number[] = [];
  code.forEach((token, place) => {
    if (token.kind !== "identifier" || isWord(token.text)) return;
    const next = code[place + 1]?.text;
    if (next !== undefined && !followers.has(next)) return;
    if (!followsType(code, place)) return;
    places.push(place, ...furtherNames(code, place));
  });
  return places;
}

/** Names after commas in the declaration of a first one: `int a = 0, *b, c[2];`. */
function furtherNames(code: readonly CudaToken[], first: number): number[] {
  const places: number[] = [];
  let depth = 0;
  for (let at = first + 1; at < code.length; at++) {
    const { text } = code[at] as CudaToken;
    if (/^[([{]$/.test(text)) depth++;
    if (/^[)\]}]$/.test(text)) depth--;
    if (depth < 0 || (depth === 0 && endsDeclaration(text, code[at + 1]))) break;
    if (depth > 0 || text !== ",") continue;
    const place = nameAfter(code, at);
    if (place !== undefined) places.push(place);
  }
  return places;
}

/** The place of a name after a comma, unless a type stands there. */
function nameAfter(code: readonly CudaToken[], comma: number): number | undefined {
  let place = comma + 1;
  while (code[place]?.text === "*" || code[place]?.text === "&") place++;
  const name = code[place];
  if (name?.kind !== "identifier" || isWord(name.text)) return undefined;
  return listFollowers.has(code[place + 1]?.text ?? "") ? place : undefined;
}

/** A body that no comma follows is a function's. */
function endsDeclaration(text: string, next: CudaToken | undefined): boolean {
  return text === ";" || (text === "}" && next?.text !== ",");
}

/** True where what stands before a place reads as a type, with `*`, `&` or `(*` between. */
function followsType(code: readonly CudaToken[], place: number): boolean {
  let at = place - 1;
  let indirect = false;
  while (/^(\*|&|&&|\.\.\.)$/.test(code[at]?.text ?? "")) {
    indirect = true;
    at--;
  }
  const before = code[at];
  if (before?.kind !== "identifier") return followsBracket(code, at, indirect);
  if (!mayEndType(before.text)) return namesAlias(code, at);
  return !indirect || isType(before.text) || startsDeclaration(code, at);
}

/** Types that end in a bracket: `fragment<…> a`, `struct { … } a`, `float (&a)[4]`, and attributes. */
function followsBracket(code: readonly CudaToken[], at: number, indirect: boolean): boolean {
  switch (code[at]?.text) {
    case "(":
      return indirect && isType(code[at - 1]?.text ?? "");
    case ")":
      return closesAttribute(code, at);
    case "}":
      return !indirect && structBodies(code).closes(at);
    case ">":
      return closesTemplate(code, at);
    default:
      return false;
  }
}

/** `using word = unsigned`, but not `using namespace`. */
function namesAlias(code: readonly CudaToken[], at: number): boolean {
  return code[at]?.text === "using" && code[at + 2]?.text === "=";
}

/** The place of the bracket that opens what closes at a place; −1 without one. */
function opening(code: readonly CudaToken[], close: number, pair: readonly [string, string]): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (code[at]?.text === pair[1]) depth++;
    if (code[at]?.text === pair[0] && --depth === 0) return at;
  }
  return -1;
}

function closesAttribute(code: readonly CudaToken[], close: number): boolean {
  const word = code[opening(code, close, ["(", ")"]) - 1]?.text ?? "";
  return /^(__launch_bounds__|__align__|alignas|__attribute__|__maxnreg__|__cluster_dims__|__block_size__)$/.test(word);
}

/** Most tokens of a template's arguments. */
const longestTemplate = 48;

function closesTemplate(code: readonly CudaToken[], close: number): boolean {
  const open = opening(code.slice(0, close + 1), close, ["<", ">"]);
  if (open < 1 || close - open > longestTemplate) return false;
  const inner = code.slice(open + 1, close);
  if (inner.some(({ text }) => /^(;|\{|\}|=|&&|\|\||\?|\+\+|--)$/.test(text))) return false;
  return code[open - 1]?.kind === "identifier" && startsDeclaration(code, open - 1);
}

/** True where a name, with what qualifies it, begins a statement, a parameter or a template argument. */
function startsDeclaration(code: readonly CudaToken[], end: number): boolean {
  let at = end;
  while (code[at - 1]?.text === "::") at -= code[at - 2]?.kind === "identifier" ? 2 : 1;
  const before = code[at - 1];
  if (before === undefined || /^[;{}(,<]$/.test(before.text)) return true;
  if (before.text === ")") return closesAttribute(code, at - 1);
  return before.kind === "string" || (before.kind === "identifier" && mayEndType(before.text));
}
