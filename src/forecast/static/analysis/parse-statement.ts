import type { Declaration, Declarator, Expression, FunctionDefinition, Parameter, Statement, TypeName } from "./ast.ts";
import { parseAssignment, parseExpression, parseExtents, type ParserContext } from "./parse-expression.ts";
import { parsePointers, parseType, type QualifiedType } from "./parse-type.ts";
import { ParseFailure, type TokenCursor } from "./token-cursor.ts";

const nothing: Statement = { kind: "nothing" };

/** Parses statements and declarations; what it does not understand it skips and counts. */
export class StatementParser implements ParserContext {
  readonly cursor: TokenCursor;
  readonly names: Set<string>;
  skipped = 0;

  constructor(cursor: TokenCursor, names: Set<string>) {
    this.cursor = cursor;
    this.names = names;
  }

  parseBlock(): Statement {
    const { cursor } = this;
    cursor.expect("{");
    const body: Statement[] = [];
    while (!cursor.done && cursor.peek() !== "}") body.push(this.parseStatement());
    cursor.expect("}");
    return { kind: "block", body };
  }

  /** Parses one statement; skips to its end where it is not understood. */
  parseStatement(): Statement {
    const start = this.cursor.position;
    try {
      return this.#dispatch();
    } catch (error) {
      if (!(error instanceof ParseFailure)) throw error;
      this.cursor.position = start;
      this.cursor.skipStatement();
      if (this.cursor.position === start) this.cursor.next();
      this.skipped++;
      return { kind: "nothing", understood: false };
    }
  }

  #dispatch(): Statement {
    const { cursor } = this;
    const word = cursor.peek();
    if (word.startsWith("#unroll")) return this.#parsePragma();
    if (word === "{") return this.parseBlock();
    if (word === "asm" || word === "__asm__" || word === "__asm") return this.#parseAssembly();
    const keyword = keywords.get(word);
    if (keyword) return keyword(this);
    if (cursor.kind() === "identifier" && cursor.peek(1) === ":") return this.#skipTokens(2);
    const declaration = this.parseDeclaration();
    if (declaration) return { kind: "declaration", declaration };
    const expression = parseExpression(this);
    cursor.expect(";");
    return { kind: "expression", expression };
  }

  #skipTokens(count: number): Statement {
    this.cursor.position += count;
    return nothing;
  }

  #parsePragma(): Statement {
    const count = this.cursor.next().split(" ")[1];
    const statement = this.parseStatement();
    if (statement.kind !== "loop") return statement;
    return { ...statement, unroll: count === undefined ? 0 : Number.parseInt(count, 10) };
  }

  #parseAssembly(): Statement {
    const { cursor } = this;
    while (cursor.peek() !== "(" && !cursor.done) cursor.next();
    cursor.expect("(");
    let text = "";
    while (cursor.kind() === "string") text += cursor.next().slice(1, -1);
    const operands: Expression[] = [];
    const constraints: string[] = [];
    while (!cursor.done && cursor.peek() !== ")") {
      if (cursor.peek() === "(") {
        constraints.push(cursor.tokens[cursor.position - 1]?.text.slice(1, -1) ?? "");
        cursor.next();
        operands.push(parseExpression(this));
        cursor.expect(")");
      } else cursor.next();
    }
    cursor.expect(")");
    cursor.accept(";");
    return { kind: "assembly", text, operands, constraints };
  }

  /** A declaration with its `;`, or undefined with nothing taken where an expression starts. */
  parseDeclaration(): Declaration | undefined {
    const { cursor } = this;
    const start = cursor.position;
    const parsed = parseType(cursor, this);
    if (parsed && cursor.peek() === "(" && cursor.peek(1) === "*") return this.#parseRowPointer(parsed, start);
    const follows = cursor.peek(1);
    const declares = parsed && cursor.kind() === "identifier" && /^[=;,[({:]$/.test(follows);
    if (!declares || (!parsed.certain && follows === "(")) {
      cursor.position = start;
      return undefined;
    }
    const base: TypeName = { ...parsed.type, pointers: 0 };
    const declarators = [this.#parseDeclarator(parsed.type)];
    while (cursor.accept(",")) {
      declarators.push(this.#parseDeclarator({ ...base, pointers: parsePointers(cursor) }));
    }
    if (cursor.peek() !== ":") cursor.expect(";");
    return { shared: parsed.shared, declarators };
  }

  /** `T (*name)[N] = …;` */
  #parseRowPointer({ type, shared }: QualifiedType, start: number): Declaration | undefined {
    const { cursor } = this;
    cursor.position += 2;
    const name = cursor.kind() === "identifier" ? cursor.next() : "";
    if (name === "" || !cursor.accept(")") || cursor.peek() !== "[") {
      cursor.position = start;
      return undefined;
    }
    const rows = parseExtents(this);
    const initial = this.#parseInitial();
    cursor.expect(";");
    const declared = { ...type, pointers: 1, rows };
    return { shared, declarators: [{ name, type: declared, extents: [], ...(initial ? { initial } : {}) }] };
  }

  #parseDeclarator(type: TypeName): Declarator {
    const { cursor } = this;
    const name = cursor.identifier();
    const extents: (Expression | undefined)[] = [];
    while (cursor.accept("[")) {
      extents.push(cursor.peek() === "]" ? undefined : parseExpression(this));
      cursor.expect("]");
    }
    const initial = this.#parseInitial();
    return { name, type, extents, ...(initial ? { initial } : {}) };
  }

  #parseInitial(): Expression | undefined {
    const { cursor } = this;
    if (cursor.accept("=") || cursor.peek() === "{") return parseAssignment(this);
    if (!cursor.accept("(")) return undefined;
    const value = cursor.peek() === ")" ? undefined : parseExpression(this);
    cursor.expect(")");
    return value;
  }

  parseIf(): Statement {
    const { cursor } = this;
    cursor.next();
    cursor.accept("constexpr");
    cursor.expect("(");
    const condition = parseExpression(this);
    cursor.expect(")");
    const yes = this.parseStatement();
    return cursor.accept("else")
      ? { kind: "if", condition, yes, no: this.parseStatement() }
      : { kind: "if", condition, yes };
  }

  parseFor(): Statement {
    const { cursor } = this;
    cursor.next();
    cursor.expect("(");
    const initial = cursor.accept(";") ? nothing : this.parseStatement();
    if (cursor.accept(":")) throw new ParseFailure("a range loop");
    const condition = cursor.peek() === ";" ? undefined : parseExpression(this);
    cursor.expect(";");
    const step = cursor.peek() === ")" ? undefined : parseExpression(this);
    cursor.expect(")");
    const body = this.parseStatement();
    return { kind: "loop", initial, body, ...(condition ? { condition } : {}), ...(step ? { step } : {}) };
  }

  parseWhile(): Statement {
    const { cursor } = this;
    cursor.next();
    cursor.expect("(");
    const condition = parseExpression(this);
    cursor.expect(")");
    return { kind: "loop", condition, body: this.parseStatement() };
  }

  parseDo(): Statement {
    const { cursor } = this;
    cursor.next();
    const body = this.parseStatement();
    cursor.expect("while");
    cursor.expect("(");
    const condition = parseExpression(this);
    cursor.expect(")");
    cursor.expect(";");
    return { kind: "loop", condition, body, bodyFirst: true };
  }

  parseSwitch(): Statement {
    const { cursor } = this;
    cursor.next();
    cursor.expect("(");
    const value = parseExpression(this);
    cursor.expect(")");
    return { kind: "switch", value, body: this.parseStatement() };
  }

  parseReturn(): Statement {
    this.cursor.next();
    if (this.cursor.accept(";")) return { kind: "return" };
    const value = parseExpression(this);
    this.cursor.expect(";");
    return { kind: "return", value };
  }

  skipTo(end: string, statement: Statement = nothing): Statement {
    while (!this.cursor.done && !this.cursor.accept(end)) this.cursor.next();
    return statement;
  }

  parseCase(): Statement {
    this.cursor.next();
    const value = parseExpression(this);
    this.cursor.expect(":");
    return { kind: "case", value };
  }

  /** `using name = type;`; other forms are skipped. */
  parseUsing(): Statement {
    const { cursor } = this;
    cursor.next();
    if (cursor.kind() !== "identifier" || cursor.peek(1) !== "=") return this.skipTo(";");
    const name = cursor.next();
    cursor.next();
    const parsed = parseType(cursor, this);
    return this.skipTo(";", parsed ? { kind: "alias", name, type: parsed.type } : nothing);
  }

  /** `[captures](parameters) … { body }`. */
  parseLambda(): Expression {
    const { cursor } = this;
    cursor.skipGroup();
    const parameters = cursor.peek() === "(" ? this.parseParameters() : [];
    while (!cursor.done && cursor.peek() !== "{") {
      if (cursor.peek() === ";" || cursor.peek() === ")") throw new ParseFailure("a lambda without a body");
      cursor.next();
    }
    const definition: FunctionDefinition = {
      name: "",
      templateParameters: [],
      parameters,
      returns: { name: "auto", pointers: 0 },
      body: this.parseBlock(),
    };
    return { kind: "lambda", definition };
  }

  parseParameters(): Parameter[] {
    const { cursor } = this;
    cursor.expect("(");
    const parameters: Parameter[] = [];
    while (!cursor.done && cursor.peek() !== ")") {
      parameters.push(this.#parseParameter());
      if (!cursor.accept(",")) break;
    }
    cursor.expect(")");
    return parameters;
  }

  #parseParameter(): Parameter {
    const { cursor } = this;
    const start = cursor.position;
    const parsed = parseType(cursor, this);
    if (!parsed) throw new ParseFailure(`a parameter at ${cursor.peek()}`);
    const arrayReference = cursor.accept("(");
    if (arrayReference) parsePointers(cursor);
    const name = cursor.kind() === "identifier" ? cursor.next() : "";
    if (arrayReference) cursor.expect(")");
    const reference = arrayReference || cursor.tokens.slice(start, cursor.position).some(({ text }) => text === "&");
    let pointers = parsed.type.pointers;
    while (cursor.peek() === "[") {
      cursor.skipGroup();
      pointers = Math.max(1, pointers);
    }
    const initial = cursor.accept("=") ? parseAssignment(this) : undefined;
    return { name, type: { ...parsed.type, pointers }, reference, ...(initial ? { initial } : {}) };
  }
}

const keywords: ReadonlyMap<string, (parser: StatementParser) => Statement> = new Map([
  ["if", (parser: StatementParser): Statement => parser.parseIf()],
  ["for", (parser: StatementParser): Statement => parser.parseFor()],
  ["while", (parser: StatementParser): Statement => parser.parseWhile()],
  ["do", (parser: StatementParser): Statement => parser.parseDo()],
  ["switch", (parser: StatementParser): Statement => parser.parseSwitch()],
  ["return", (parser: StatementParser): Statement => parser.parseReturn()],
  ["case", (parser: StatementParser): Statement => parser.parseCase()],
  ["default", (parser: StatementParser): Statement => parser.skipTo(":", { kind: "case" })],
  ["break", (parser: StatementParser): Statement => parser.skipTo(";", { kind: "leave", how: "break" })],
  ["continue", (parser: StatementParser): Statement => parser.skipTo(";", { kind: "leave", how: "continue" })],
  ["goto", (parser: StatementParser): Statement => parser.skipTo(";", { kind: "nothing", understood: false })],
  ["using", (parser: StatementParser): Statement => parser.parseUsing()],
  ["typedef", (parser: StatementParser): Statement => parser.skipTo(";")],
  ["static_assert", (parser: StatementParser): Statement => parser.skipTo(";")],
  [";", (parser: StatementParser): Statement => parser.skipTo(";")],
]);
