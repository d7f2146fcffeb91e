import type { CudaToken } from "../../../domain/index.ts";

/** Raised inside the parser where the source is not understood; the statement is then skipped. */
export class ParseFailure extends Error {}

const openers = new Set(["(", "[", "{"]);
const closers = new Set([")", "]", "}"]);

/** A place in a list of code tokens. */
export class TokenCursor {
  readonly tokens: readonly CudaToken[];
  position = 0;

  constructor(tokens: readonly CudaToken[]) {
    this.tokens = tokens;
  }

  get done(): boolean {
    return this.position >= this.tokens.length;
  }

  /** Text of a token ahead, empty past the end. */
  peek(ahead = 0): string {
    return this.tokens[this.position + ahead]?.text ?? "";
  }

  kind(ahead = 0): CudaToken["kind"] | "end" {
    return this.tokens[this.position + ahead]?.kind ?? "end";
  }

  next(): string {
    const text = this.peek();
    this.position++;
    return text;
  }

  /** Takes the token if it has the text. */
  accept(text: string): boolean {
    if (this.peek() !== text) return false;
    this.position++;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) throw new ParseFailure(`expected ${text} at ${this.peek()}`);
  }

  identifier(): string {
    if (this.kind() !== "identifier") throw new ParseFailure(`expected a name at ${this.peek()}`);
    return this.next();
  }

  /** From an opening bracket to just behind the one that closes it. */
  skipGroup(): void {
    let depth = 0;
    do {
      const text = this.next();
      if (openers.has(text)) depth++;
      else if (closers.has(text)) depth--;
    } while (depth > 0 && !this.done);
  }

  /** To just behind the end of a statement: its `;` or its block. */
  skipStatement(): void {
    while (!this.done && this.peek() !== "}") {
      if (this.peek() === "{") {
        this.skipGroup();
        return;
      }
      if (openers.has(this.peek())) this.skipGroup();
      else if (this.next() === ";") return;
    }
  }

  /**
   * Index of the token behind the `>` that closes template arguments opening at `<` `ahead` tokens on, or undefined
   * where what follows does not look like template arguments. A template's own parameters may have `defaults`.
   */
  templateEnd(ahead: number, defaults = false): number | undefined {
    let depth = 0;
    for (let at = this.position + ahead; at < Math.min(this.tokens.length, this.position + ahead + 80); at++) {
      const token = this.tokens[at] as CudaToken;
      if (token.text === "<") depth++;
      else if (token.text === ">") depth--;
      else if (token.text === ">>") depth -= 2;
      else if (token.text === "=" ? !defaults : endsTemplate(token)) return undefined;
      if (depth <= 0) return depth === 0 ? at + 1 : undefined;
    }
    return undefined;
  }
}

function endsTemplate({ kind, text }: CudaToken): boolean {
  return kind === "string" || /^([;{}]|&&|\|\||[-+*/]=|\?)$/.test(text);
}
