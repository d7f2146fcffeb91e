import { isCode, lexCuda, type CudaToken, type Kernel, type Launch } from "../../domain/index.ts";
import { declaredNames, type DeclaredNames } from "./declared-names.ts";
import { isExternal, isExternalMember } from "./known-names.ts";

/** Neutral names that have been given, shared by kernels that shall stay comparable: one name is renamed alike in all. */
export type NameTable = Map<string, string>;

/** A kernel program: what of a kernel carries its author's names. */
export type Program = Pick<Kernel, "source" | "launches" | "compileOptions">;

/**
 * The same program under neutral names: every function, variable, parameter, type, member, template parameter and macro that it
 * declares itself, here and in its launches and `-D` options, is called `v17` or the like. What the language, CUDA and
 * its headers own stays, and so do assembly, comments and names that are theirs as much as the program's. No two names become one.
 * A source that glues names together (`##`) keeps its names. The table is added to.
 */
export function renameIdentifiers<T extends Program>(program: T, table: NameTable = new Map()): T {
  const tokens = lexCuda(program.source);
  if (tokens.some(({ text }) => text === "##")) return program;
  const defined = program.compileOptions.flatMap((option) => definition.exec(option)?.[2] ?? []);
  const renaming = new Renaming(tokens, withMacros(declaredNames(tokens), defined), table);
  return {
    ...program,
    source: renaming.apply(tokens),
    launches: program.launches.map((launch): Launch => ({ ...launch, kernel: renaming.rename(launch.kernel) })),
    compileOptions: program.compileOptions.map((option) => {
      const [, flag, name = "", value = ""] = definition.exec(option) ?? [];
      return flag === undefined ? option : flag + renaming.rename(name) + renaming.apply(lexCuda(value));
    }),
  };
}

/** A `-D` option: the flag, the name, and what it stands for with its `=`. */
const definition = /^(-D\s*|--define-macro=)([A-Za-z_]\w*)(.*)$/s;

function withMacros(declared: DeclaredNames, macros: readonly string[]): DeclaredNames {
  return { ...declared, names: new Set([...declared.names, ...macros]) };
}

class Renaming {
  readonly #names = new Map<string, string>();
  readonly #members: ReadonlySet<string>;

  constructor(tokens: readonly CudaToken[], { names, members }: DeclaredNames, table: NameTable) {
    this.#members = members;
    const own = [...names].filter((name) => !isExternal(name) && !(members.has(name) && isExternalMember(name)));
    const written = namesThatStay(tokens, new Set(own), members);
    for (const name of own) {
      let fresh = table.get(name) ?? `v${table.size}`;
      table.set(name, fresh);
      while (written.has(fresh)) fresh += "_";
      this.#names.set(name, fresh);
    }
  }

  rename(name: string): string {
    return this.#names.get(name) ?? name;
  }

  /** The text of tokens with names replaced. */
  apply(tokens: readonly CudaToken[]): string {
    const before: string[] = [];
    let directive: string[] | undefined;
    let text = "";
    for (const token of tokens) {
      if (token.kind === "newline") directive = undefined;
      if (isCode(token) && token.text === "#" && isLineStart(text)) directive = [];
      text += this.#replace(token, before, directive);
      if (!isCode(token)) continue;
      directive?.push(token.text);
      before.push(token.text);
    }
    return text;
  }

  #replace({ kind, text }: CudaToken, before: readonly string[], directive: readonly string[] | undefined): string {
    if (kind === "string" && before.at(-1) === "(" && before.at(-2) === "_Pragma") {
      return text.replace(/\w+/g, (word) => this.rename(word));
    }
    if (kind !== "identifier" || !mayHoldNames(directive) || this.#isForeign(text, before)) return text;
    return this.rename(text);
  }

  /** A member or a qualified name of what is not the program's: the name of something else. */
  #isForeign(name: string, before: readonly string[]): boolean {
    const previous = before.at(-1);
    if (previous === "." || previous === "->") return !this.#members.has(name);
    const qualifier = previous === "::" ? before.at(-2) : undefined;
    return qualifier !== undefined && /^\w+$/.test(qualifier) && !this.#names.has(qualifier);
  }
}

/** Names written somewhere that are not renamed there: no fresh name may be one of them. */
function namesThatStay(
  tokens: readonly CudaToken[],
  own: ReadonlySet<string>,
  members: ReadonlySet<string>,
): ReadonlySet<string> {
  const stay = new Set<string>();
  let previous = "";
  for (const token of tokens.filter(isCode)) {
    const mayBeForeign = previous === "::" || (/^(\.|->)$/.test(previous) && !members.has(token.text));
    if (token.kind === "identifier" && (mayBeForeign || !own.has(token.text))) stay.add(token.text);
    previous = token.text;
  }
  return stay;
}

function isLineStart(text: string): boolean {
  return /(^|\n)[^\S\n]*(\/\*[^\n]*\*\/)?[^\S\n]*$/.test(text.slice(-200));
}

/** The words of `#include`, `#error` and pragmas but for unrolling are no names. */
function mayHoldNames(directive: readonly string[] | undefined): boolean {
  if (directive === undefined) return true;
  const [, word, pragma] = directive;
  if (word === undefined || /^(include|error|warning|line)$/.test(word)) return false;
  return word !== "pragma" || /^(no)?unroll$/.test(pragma ?? "");
}
