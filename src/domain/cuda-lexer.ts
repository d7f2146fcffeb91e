export type CudaTokenKind =
  | "space"
  | "newline"
  | "comment"
  | "string"
  | "character"
  | "number"
  | "identifier"
  | "punctuation";

/** A piece of CUDA C++ source. The texts of all tokens, joined, are the source again. */
export interface CudaToken {
  readonly kind: CudaTokenKind;
  readonly text: string;
}

interface Pattern {
  readonly kind: CudaTokenKind;
  /** What the first character must be, so that few patterns are tried at each place. */
  readonly first: RegExp;
  readonly whole: RegExp;
}

/**
 * What each kind looks like, in the order tried at every place. A line that ends in a backslash goes on: such splices
 * are `space`, and a line comment runs across them. Strings and characters that are not closed end with their line,
 * comments and raw strings with the file. Any character beyond ASCII may be part of an identifier.
 */
const patterns: readonly Pattern[] = [
  { kind: "newline", first: /[\r\n]/, whole: /\r?\n/y },
  { kind: "space", first: /[\s\\]/, whole: /(?:[^\S\r\n]|\\\r?\n|\r(?!\n))+/y },
  { kind: "comment", first: /\//, whole: /\/\/(?:\\\r?\n|[^\n])*|\/\*[^]*?(?:\*\/|$)/y },
  { kind: "string", first: /[uULR]/, whole: /(?:u8|[uUL])?R"([^\s()\\"]{0,16})\([^]*?(?:\)\1"|$)/y },
  { kind: "string", first: /[uUL"]/, whole: /(?:u8|[uUL])?"(?:\\\r?\n|\\.|[^"\\\n])*(?:"|\\?(?=\n)|\\?$)/y },
  { kind: "character", first: /[uUL']/, whole: /(?:u8|[uUL])?'(?:\\\r?\n|\\.|[^'\\\n])*(?:'|\\?(?=\n)|\\?$)/y },
  { kind: "identifier", first: /[A-Za-z_$]/, whole: /[\w$\u0080-\uffff]+/y },
  { kind: "number", first: /[.\d]/, whole: /\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*/y },
  {
    kind: "punctuation",
    first: /[!-~]/,
    whole: /<<<|>>>|<<=|>>=|->\*|\.\.\.|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||##|[-+*/%&|^]=|[^]/y,
  },
];

/** The patterns to try for each first character; beyond ASCII, an identifier or (white space) a space. */
const patternsByCode: readonly (readonly Pattern[])[] = Array.from({ length: 128 }, (_, code) =>
  patterns.filter(({ first }) => first.test(String.fromCharCode(code))),
);
const beyondAscii = patterns.filter(({ kind }) => kind === "space" || kind === "identifier");

/** Splits CUDA C++ into tokens. Never fails: an unknown character is a punctuation of its own. */
export function lexCuda(source: string): CudaToken[] {
  const tokens: CudaToken[] = [];
  for (let offset = 0; offset < source.length;) {
    const token = tokenAt(source, offset);
    tokens.push(token);
    offset += token.text.length;
  }
  return tokens;
}

function tokenAt(source: string, offset: number): CudaToken {
  for (const { kind, whole } of patternsByCode[source.charCodeAt(offset)] ?? beyondAscii) {
    whole.lastIndex = offset;
    if (whole.test(source)) return { kind, text: source.slice(offset, whole.lastIndex) };
  }
  return { kind: "punctuation", text: source.charAt(offset) };
}

/** True for what a compiler sees: neither white space nor comment. */
export function isCode({ kind }: CudaToken): boolean {
  return kind !== "space" && kind !== "newline" && kind !== "comment";
}
