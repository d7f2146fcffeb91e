import type { CudaToken } from "../../domain/index.ts";

export interface StructBodies {
  /** True for a place directly in the body of a struct, class or union: not in a method or its parameters. */
  isMember(place: number): boolean;
  /** True where a struct's, union's or enumeration's body closes. */
  closes(place: number): boolean;
  /** Places of enumerators. */
  readonly enumerators: readonly number[];
}

type Body = "struct" | "enum" | "other";

const known = new WeakMap<readonly CudaToken[], StructBodies>();

/** Which places of code lie in the bodies of types. */
export function structBodies(code: readonly CudaToken[]): StructBodies {
  const kept = known.get(code);
  if (kept) return kept;
  const members = new Set<number>();
  const closings = new Set<number>();
  const enumerators: number[] = [];
  const open: Body[] = [];
  code.forEach(({ text, kind }, place) => {
    if (/^[([{]$/.test(text)) open.push(text === "{" ? bodyBefore(code, place) : "other");
    else if (/^[)\]}]$/.test(text)) {
      if ((open.pop() ?? "other") !== "other") closings.add(place);
    } else if (kind === "identifier") {
      if (open.at(-1) === "struct") members.add(place);
      if (open.at(-1) === "enum" && /^[{,]$/.test(code[place - 1]?.text ?? "")) enumerators.push(place);
    }
  });
  const bodies = {
    isMember: (place: number) => members.has(place),
    closes: (place: number) => closings.has(place),
    enumerators,
  };
  known.set(code, bodies);
  return bodies;
}

/** What the brace at a place opens, by the words since the last statement. */
function bodyBefore(code: readonly CudaToken[], brace: number): Body {
  for (let at = brace - 1; at >= 0; at--) {
    const { text } = code[at] as CudaToken;
    if (/^[;{}=]$/.test(text)) return "other";
    // Parameters or a condition: a function or a statement, unless of an attribute, before which the search goes on.
    if (text === ")" && !/^(struct|class|union)$/.test(wordBeforeAttribute(code, at))) return "other";
    if (text === "enum") return "enum";
    if (/^(struct|class|union)$/.test(text) && code[at - 1]?.text !== "enum") return "struct";
  }
  return "other";
}

/** The word before the attribute, such as `__align__(16)`, that closes at a place. */
function wordBeforeAttribute(code: readonly CudaToken[], close: number): string {
  let at = close;
  while (at > 0 && code[at]?.text !== "(") at--;
  return code[at - 2]?.text ?? "";
}
