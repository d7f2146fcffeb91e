import type { CudaToken } from "../../../domain/index.ts";
import type {
  Declaration,
  Declarator,
  FunctionDefinition,
  Layout,
  Program,
  TemplateParameter,
  TypeName,
} from "./ast.ts";
import { elementType } from "./element-types.ts";
import { StatementParser } from "./parse-statement.ts";
import { parseType, type QualifiedType } from "./parse-type.ts";
import { TokenCursor } from "./token-cursor.ts";

/** Parses a preprocessed source. Never fails: what is not understood is skipped and counted. */
export function parseProgram(tokens: readonly CudaToken[]): Program {
  return new ProgramParser(tokens).parse();
}

class ProgramParser {
  readonly #cursor: TokenCursor;
  readonly #statements: StatementParser;
  readonly #functions = new Map<string, FunctionDefinition>();
  readonly #globals: Declaration[] = [];
  readonly #structures = new Map<string, number>();
  readonly #aliases = new Map<string, TypeName>();
  readonly #fields = new Set<string>();
  readonly #layouts = new Map<string, Layout>();
  readonly #overloads = new Map<string, FunctionDefinition[]>();
  #templateParameters: string[] = [];
  #template: TemplateParameter[] = [];
  #skipped = 0;
  /** Members so far that are not plain data. */
  #methods = 0;

  constructor(tokens: readonly CudaToken[]) {
    this.#cursor = new TokenCursor(tokens);
    this.#statements = new StatementParser(this.#cursor, new Set());
  }

  parse(): Program {
    while (!this.#cursor.done) {
      const start = this.#cursor.position;
      try {
        this.#parseTop();
      } catch {
        this.#cursor.position = start;
        this.#skip();
      }
      if (this.#cursor.position === start) this.#cursor.next();
    }
    return {
      functions: this.#functions,
      globals: this.#globals,
      structures: this.#structures,
      aliases: this.#aliases,
      fields: this.#fields,
      layouts: this.#layouts,
      overloads: this.#overloads,
      skipped: this.#skipped + this.#statements.skipped,
    };
  }

  #parseTop(): void {
    const cursor = this.#cursor;
    const word = cursor.peek();
    const keyword = this.#keywords.get(word);
    if (keyword) keyword();
    else if (word === ";" || word === "}" || word.startsWith("#")) cursor.next();
    else if (this.#opensScope()) while (cursor.next() !== "{");
    else this.#parseDefinition();
  }

  readonly #keywords = new Map<string, () => void>([
    ["template", () => this.#parseTemplate()],
    ["using", () => this.#parseUsing()],
    ["typedef", () => this.#parseTypedef()],
    ["struct", () => this.#parseStructure()],
    ["class", () => this.#parseStructure()],
    ["union", () => this.#parseStructure()],
    ["enum", () => this.#parseEnumeration()],
    ["static_assert", () => this.#cursor.skipStatement()],
  ]);

  /** `namespace x {` and `extern "C" {`: their contents are read as if outside. */
  #opensScope(): boolean {
    const cursor = this.#cursor;
    if (cursor.peek() === "extern" && cursor.kind(1) === "string") return cursor.peek(2) === "{";
    return cursor.peek() === "namespace" && (cursor.peek(1) === "{" || cursor.peek(2) === "{");
  }

  #parseTemplate(): void {
    const cursor = this.#cursor;
    cursor.next();
    const end = cursor.templateEnd(0, true) ?? cursor.position;
    const words = cursor.tokens.slice(cursor.position, end);
    this.#templateParameters = [];
    this.#template = [];
    words.forEach(({ kind, text }, index) => {
      const [previous, follows] = [words[index - 1]?.text ?? "", words[index + 1]?.text ?? ""];
      if (kind !== "identifier" || !/^[,>=]$/.test(follows) || previous === "=") return;
      this.#templateParameters.push(text);
      const isType = previous === "typename" || previous === "class";
      this.#template.push({ name: text, isType, initial: follows === "=" ? defaultTokens(words, index + 2) : [] });
      if (isType) this.#statements.names.add(text);
    });
    cursor.position = end;
  }

  #parseUsing(): void {
    const cursor = this.#cursor;
    cursor.next();
    if (cursor.kind() === "identifier" && cursor.peek(1) === "=") {
      const name = cursor.next();
      cursor.next();
      const parsed = parseType(cursor, this.#statements);
      if (parsed) this.#addAlias(name, parsed.type);
    }
    cursor.skipStatement();
  }

  #parseTypedef(): void {
    const cursor = this.#cursor;
    cursor.next();
    const parsed = parseType(cursor, this.#statements);
    if (parsed && cursor.kind() === "identifier") this.#addAlias(cursor.next(), parsed.type);
    cursor.skipStatement();
  }

  #addAlias(name: string, type: TypeName): void {
    this.#aliases.set(name, type);
    this.#statements.names.add(name);
  }

  /** Adds up the plain fields; methods are parsed as free functions. */
  #parseStructure(): void {
    const cursor = this.#cursor;
    const isUnion = cursor.next() === "union";
    const isTemplate = this.#template.length > 0;
    this.#templateParameters = [];
    this.#template = [];
    let align: readonly CudaToken[] = [];
    while (cursor.peek() === "__align__" || cursor.peek() === "alignas") {
      cursor.next();
      const start = cursor.position;
      cursor.skipGroup();
      align = cursor.tokens.slice(start + 1, cursor.position - 1);
    }
    const name = cursor.kind() === "identifier" ? cursor.next() : "";
    this.#statements.names.add(name);
    while (!["{", ";", ""].includes(cursor.peek())) cursor.next();
    if (!cursor.accept("{")) return;
    let bytes = 0;
    const members: Declarator[] = [];
    const before = this.#methods;
    while (!cursor.done && cursor.peek() !== "}") bytes += this.#parseMember(members);
    const plain = this.#methods === before && !isTemplate;
    this.#layouts.set(name, { members, align, isUnion, plain });
    cursor.skipStatement();
    cursor.accept("}");
    cursor.accept(";");
    this.#structures.set(name, Math.max(1, bytes));
  }

  #parseMember(members: Declarator[]): number {
    const cursor = this.#cursor;
    const start = cursor.position;
    const parsed = parseType(cursor, this.#statements);
    if (parsed && cursor.kind() === "identifier" && cursor.peek(1) === "(") {
      this.#methods++;
      this.#parseFunction(parsed);
      return 0;
    }
    cursor.position = start;
    const declaration = this.#statements.parseDeclaration();
    if (!declaration) {
      this.#methods++;
      cursor.skipStatement();
      if (cursor.position === start) cursor.next();
      return 0;
    }
    members.push(...declaration.declarators);
    return declaration.declarators.reduce((sum, { name, type, extents }) => {
      this.#fields.add(name);
      const count = extents.reduce((product, extent) => product * (extent?.kind === "number" ? extent.value : 1), 1);
      return sum + count * (type.pointers > 0 ? 8 : (elementType(type.name)?.bytes ?? 4));
    }, 0);
  }

  #parseEnumeration(): void {
    const cursor = this.#cursor;
    while (!["{", ";", ""].includes(cursor.peek())) cursor.next();
    if (!cursor.accept("{")) return;
    let value = 0;
    while (!cursor.done && cursor.peek() !== "}") {
      const name = cursor.identifier();
      if (cursor.accept("=")) value = Number(cursor.next());
      this.#globals.push({
        shared: false,
        declarators: [
          {
            name,
            type: { name: "int", pointers: 0 },
            extents: [],
            initial: { kind: "number", value, floating: false },
          },
        ],
      });
      value++;
      if (!cursor.accept(",")) break;
    }
    cursor.skipStatement();
    cursor.accept("}");
    cursor.accept(";");
  }

  #parseDefinition(): void {
    const cursor = this.#cursor;
    const start = cursor.position;
    const parsed = parseType(cursor, this.#statements);
    if (parsed && cursor.kind() === "identifier" && cursor.peek(1) === "(") {
      this.#parseFunction(parsed);
      return;
    }
    cursor.position = start;
    const declaration = this.#statements.parseDeclaration();
    if (declaration) this.#globals.push(declaration);
    else this.#skip();
  }

  /** Skips a definition that is not understood, but not another kernel behind it that unclosed brackets seem to hold. */
  #skip(): void {
    const cursor = this.#cursor;
    const start = cursor.position;
    this.#skipped++;
    cursor.skipStatement();
    for (let at = start + 1; at < cursor.position; at++) {
      const opensAnother =
        cursor.tokens[at]?.text === "__global__" && /^([;})]|"C")$/.test(cursor.tokens[at - 1]?.text ?? "");
      if (opensAnother) cursor.position = at;
    }
  }

  #parseFunction({ type: returns, launchBounds }: QualifiedType): void {
    const cursor = this.#cursor;
    const name = cursor.identifier();
    const parameters = this.#statements.parseParameters();
    while (!cursor.done && !["{", ";"].includes(cursor.peek())) cursor.next();
    const templateParameters = this.#templateParameters;
    const template = this.#template;
    this.#templateParameters = [];
    this.#template = [];
    if (cursor.peek() === ";") return;
    const body = this.#statements.parseBlock();
    const definition: FunctionDefinition = {
      name,
      templateParameters,
      template,
      parameters,
      returns,
      body,
      ...(launchBounds ? { launchBounds } : {}),
    };
    this.#functions.set(name, definition);
    this.#overloads.set(name, [...(this.#overloads.get(name) ?? []), definition]);
  }
}

/** Tokens of a template parameter's default, to the comma or bracket that ends it. */
function defaultTokens(words: readonly CudaToken[], start: number): readonly CudaToken[] {
  let depth = 0;
  for (let at = start; at < words.length; at++) {
    const text = words[at]?.text ?? "";
    if (depth === 0 && (text === "," || text === ">")) return words.slice(start, at);
    if (/^[(<[]$/.test(text)) depth++;
    if (/^[)>\]]$/.test(text)) depth--;
  }
  return words.slice(start);
}
