import { isCode, lexCuda, type CudaToken } from "../domain/index.ts";

/**
 * A source as forecasters may see it: comments removed, also those inside inline assembly and `#if 0`; contents of
 * strings blanked but for assembly, linkage, plain header names and unroll pragmas; messages of `#error` and `#warning` dropped. What
 * remains is code, but still untrusted data: identifiers are the author's. Layout is kept, empty lines are not.
 */
export function sanitiseSource(source: string): string {
  const kept = dropInactive(lexCuda(source));
  const text = sanitiseStrings(kept)
    .map(({ kind, text: piece }) => (kind === "comment" ? " " : piece))
    .join("");
  return text
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .join("\n")
    .concat("\n");
}

/** A line of tokens: up to and with its newline. A comment over several lines does not end a line. */
function splitLines(tokens: readonly CudaToken[]): CudaToken[][] {
  const lines: CudaToken[][] = [[]];
  for (const token of tokens) {
    (lines.at(-1) as CudaToken[]).push(token);
    if (token.kind === "newline") lines.push([]);
  }
  return lines;
}

/** The words of a preprocessor line after its `#`, or undefined for any other line. */
function directive(line: readonly CudaToken[]): string[] | undefined {
  const words = line.filter(isCode).map(({ text }) => text);
  return words[0] === "#" ? words.slice(1) : undefined;
}

/** Removes what `#if 0` … `#else` or `#endif` encloses, and messages. */
function dropInactive(tokens: readonly CudaToken[]): CudaToken[] {
  let depth = 0;
  const kept: CudaToken[] = [];
  for (const line of splitLines(tokens)) {
    const words = directive(line);
    if (depth > 0) {
      depth = depthAfter(depth, words);
      if (depth === 0) kept.push(...line);
    } else if (words?.[0] === "if" && words[1] === "0" && words.length === 2) {
      depth = 1;
      kept.push(...line);
    } else if (words?.[0] === "error" || words?.[0] === "warning") {
      kept.push({ kind: "punctuation", text: `#${words[0]}` }, { kind: "newline", text: "\n" });
    } else kept.push(...line);
  }
  return kept;
}

/** Nesting of conditionals inside an inactive block; 0 where it ends. */
function depthAfter(depth: number, words: readonly string[] | undefined): number {
  const word = words?.[0];
  if (word === "if" || word === "ifdef" || word === "ifndef") return depth + 1;
  if (word === "endif") return depth - 1;
  return depth === 1 && (word === "else" || word === "elif") ? 0 : depth;
}

function sanitiseStrings(tokens: readonly CudaToken[]): CudaToken[] {
  const assembly = new AssemblyTracker();
  let previous: readonly string[] = [];
  return tokens.map((token) => {
    if (!isCode(token)) return token;
    const before = previous;
    previous = [...previous.slice(-7), token.text];
    const inAssembly = assembly.enter(token, before);
    if (token.kind === "string" && inAssembly) return { kind: token.kind, text: assembly.strip(token.text) };
    return token.kind === "string" || token.kind === "character" ? blank(token, before) : token;
  });
}

type AssemblyState = "code" | "line-comment" | "block-comment";

/** How a piece of assembly text changes the state; what is absent leaves it. */
const transitions: Readonly<Record<AssemblyState, Readonly<Record<string, AssemblyState>>>> = {
  code: { "//": "line-comment", "/*": "block-comment" },
  "line-comment": { "\n": "code", "\\n": "code" },
  "block-comment": { "*/": "code" },
};

/** Follows `asm ( … )` and, across its literals, the comments of the assembly. */
class AssemblyTracker {
  #depth = 0;
  #state: AssemblyState = "code";

  /** Takes the next token; true while it lies inside the parentheses of an assembly statement. */
  enter(token: CudaToken, before: readonly string[]): boolean {
    if (token.text === "(" && (this.#depth > 0 || startsAssembly(before))) this.#depth++;
    else if (token.text === ")" && this.#depth > 0) this.#depth--;
    if (this.#depth === 0 || token.text === ":" || token.text === ",") this.#state = "code";
    return this.#depth > 0;
  }

  /** Removes comments from one literal; they may run on from the literal before. */
  strip(literal: string): string {
    const start = literal.indexOf('"') + 1;
    const end = literal.endsWith('"') && literal.length > start ? literal.length - 1 : literal.length;
    let text = literal.slice(0, start);
    for (const [piece] of literal.slice(start, end).matchAll(/\\\r?\n|\\[\s\S]|\/\/|\/\*|\*\/|[\s\S]/g)) {
      this.#state = transitions[this.#state][piece] ?? this.#state;
      if (this.#state === "code" && piece !== "*/") text += piece;
    }
    return text + literal.slice(end);
  }
}

function startsAssembly(before: readonly string[]): boolean {
  const word = before.findLast((text) => !["volatile", "__volatile__", "__volatile", "inline", "goto"].includes(text));
  return word === "asm" || word === "__asm__" || word === "__asm";
}

function blank(token: CudaToken, before: readonly string[]): CudaToken {
  const content = token.text.replace(/^\w*["']/, "").replace(/["']$/, "");
  if (token.kind === "character") return isOneCharacter(content) ? token : { kind: token.kind, text: "''" };
  return mayStay(content, before) ? token : { kind: token.kind, text: '""' };
}

function isOneCharacter(content: string): boolean {
  return /^(\\[xuU0-7]?[0-9a-fA-F]{0,8}|\\.|.)?$/su.test(content);
}

function mayStay(content: string, before: readonly string[]): boolean {
  const [second, word] = before.slice(-2);
  if (before.at(-1) === "extern") return content === "C" || content === "C++";
  if (second === "#" && word === "include") return /^[\w./+-]+$/.test(content);
  return second === "_Pragma" && /^\s*(no)?unroll\s*\(?\s*\w*\s*\)?\s*$/.test(content);
}
