import type { Expression, Statement, TypeName } from "./ast.ts";
import { elementType } from "./element-types.ts";
import { parseType, type KnownTypes } from "./parse-type.ts";
import { ParseFailure, type TokenCursor } from "./token-cursor.ts";

/** What the expression parser needs from the one for statements, for lambdas. */
export interface ParserContext extends KnownTypes {
  readonly cursor: TokenCursor;
  parseLambda(): Expression;
  parseBlock(): Statement;
}

const precedence: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};

const namedCasts = new Set(["static_cast", "reinterpret_cast", "const_cast", "dynamic_cast"]);
const prefixOperators = new Set(["-", "+", "!", "~", "*", "&", "++", "--"]);

/** Parses an expression with commas; its value is the last part's. */
export function parseExpression(context: ParserContext): Expression {
  let expression = parseAssignment(context);
  while (context.cursor.accept(",")) {
    expression = { kind: "binary", operator: ",", left: expression, right: parseAssignment(context) };
  }
  return expression;
}

/** Parses one expression without commas. Throws {@link ParseFailure}. */
export function parseAssignment(context: ParserContext): Expression {
  const { cursor } = context;
  const left = parseBinary(context, 1);
  if (cursor.accept("?")) {
    const yes = parseAssignment(context);
    cursor.expect(":");
    return { kind: "choice", condition: left, yes, no: parseAssignment(context) };
  }
  const operator = /^(?:[-+*/%&|^]|<<|>>)?=$/.exec(cursor.peek())?.[0];
  if (operator === undefined) return left;
  cursor.next();
  return { kind: "assign", operator: operator.slice(0, -1), target: left, value: parseAssignment(context) };
}

function parseBinary(context: ParserContext, least: number): Expression {
  let left = parseUnary(context);
  for (;;) {
    const operator = context.cursor.peek();
    const level = Object.hasOwn(precedence, operator) ? (precedence[operator] as number) : 0;
    if (level < least) return left;
    context.cursor.next();
    left = { kind: "binary", operator, left, right: parseBinary(context, level + 1) };
  }
}

function parseUnary(context: ParserContext): Expression {
  const { cursor } = context;
  const operator = cursor.peek();
  if (prefixOperators.has(operator) && cursor.kind() === "punctuation") {
    cursor.next();
    return { kind: "unary", operator, operand: parseUnary(context), postfix: false };
  }
  if (operator === "sizeof") return parseSizeof(context);
  return parseCast(context) ?? parsePostfix(context, parsePrimary(context));
}

function parseSizeof(context: ParserContext): Expression {
  const { cursor } = context;
  cursor.next();
  cursor.expect("(");
  const type = parseType(cursor, context)?.type ?? { name: "int", pointers: 0 };
  while (!cursor.done && cursor.peek() !== ")") cursor.next();
  cursor.expect(")");
  return { kind: "sizeof", type };
}

/** `(type) operand`, told from a parenthesised expression by what stands in the parentheses and behind them. */
function parseCast(context: ParserContext): Expression | undefined {
  const { cursor } = context;
  if (cursor.peek() !== "(") return undefined;
  const start = cursor.position;
  cursor.next();
  const parsed = parseType(cursor, context);
  const rows = parsed && parseRows(context);
  const closed = parsed !== undefined && cursor.accept(")");
  const isType = parsed !== undefined && (parsed.certain || parsed.type.pointers > 0);
  if (closed && isType && startsOperand(cursor)) {
    const type = rows ? { ...parsed.type, pointers: 1, rows } : parsed.type;
    return { kind: "cast", type, operand: parseUnary(context) };
  }
  cursor.position = start;
  return undefined;
}

/** `(*)[N][M]` behind a type, in a cast. */
function parseRows(context: ParserContext): Expression[] | undefined {
  const { cursor } = context;
  if (cursor.peek() !== "(" || cursor.peek(1) !== "*" || cursor.peek(2) !== ")") return undefined;
  cursor.position += 3;
  return parseExtents(context);
}

/** `[N][M]`. */
export function parseExtents(context: ParserContext): Expression[] {
  const { cursor } = context;
  const extents: Expression[] = [];
  while (cursor.accept("[")) {
    extents.push(parseExpression(context));
    cursor.expect("]");
  }
  return extents;
}

function startsOperand(cursor: TokenCursor): boolean {
  const kind = cursor.kind();
  return kind === "identifier" || kind === "number" || kind === "character" || /^[-(*&!~{]$/.test(cursor.peek());
}

function parsePrimary(context: ParserContext): Expression {
  const { cursor } = context;
  const kind = cursor.kind();
  if (kind === "number") return parseNumber(cursor.next());
  if (kind === "string") {
    while (cursor.kind() === "string") cursor.next();
    return { kind: "text" };
  }
  if (kind === "character") return characterValue(cursor.next());
  if (cursor.accept("(")) {
    const inner = parseExpression(context);
    cursor.expect(")");
    return inner;
  }
  if (cursor.peek() === "{") return parseList(context);
  if (cursor.peek() === "[") return context.parseLambda();
  if (kind === "identifier") return parseNamed(context);
  throw new ParseFailure(`unexpected ${cursor.peek()}`);
}

/** Value of a C++ literal. */
function parseNumber(text: string): Expression {
  const plain = text.replaceAll("'", "");
  if (/^0[xX]/.test(plain) && !/[pP]/.test(plain)) {
    return { kind: "number", value: Number(plain.replace(/[uUlLzZ]+$/, "")), floating: false, text: plain };
  }
  if (/^0[bB]/.test(plain)) {
    return { kind: "number", value: Number(plain.replace(/[uUlLzZ]+$/, "")), floating: false, text: plain };
  }
  const octal = /^0([0-7]+)[uUlLzZ]*$/.exec(plain)?.[1];
  if (octal) return { kind: "number", value: Number.parseInt(octal, 8), floating: false, text: plain };
  const floating = /[.eEpP]|[fF]$/.test(plain);
  return { kind: "number", value: Number.parseFloat(plain), floating, text: plain };
}

function characterValue(text: string): Expression {
  const content = text.slice(text.indexOf("'") + 1);
  return { kind: "number", value: content.codePointAt(0) ?? 0, floating: false };
}

function parseList(context: ParserContext): Expression {
  const { cursor } = context;
  cursor.expect("{");
  const items: Expression[] = [];
  while (!cursor.done && cursor.peek() !== "}") {
    if (cursor.peek() === "." && cursor.peek(2) === "=") cursor.position += 3;
    items.push(parseAssignment(context));
    if (!cursor.accept(",")) break;
  }
  cursor.expect("}");
  return { kind: "list", items };
}

function parseNamed(context: ParserContext): Expression {
  const { cursor } = context;
  if (namedCasts.has(cursor.peek())) return parseNamedCast(context);
  const builtIn = parseFunctionalCast(context);
  if (builtIn) return builtIn;
  let name = cursor.identifier();
  let templateArguments = parseTemplateArguments(context);
  while (cursor.peek() === "::" && cursor.kind(1) === "identifier") {
    cursor.next();
    name += `::${cursor.next()}`;
    templateArguments = parseTemplateArguments(context);
  }
  const callee: Expression = { kind: "name", name };
  if (cursor.peek() === "(") {
    return { kind: "call", callee, templateArguments, arguments: parseArguments(context) };
  }
  if (cursor.peek() === "{" && (elementType(name) || context.names.has(name))) {
    const list = parseList(context);
    return list.kind === "list" ? { ...list, type: { name, pointers: 0 } } : list;
  }
  return callee;
}

/** `float(x)`, `unsigned(x)`, `size_t(x)`: a conversion. */
function parseFunctionalCast(context: ParserContext): Expression | undefined {
  const { cursor } = context;
  const start = cursor.position;
  const parsed = parseType(cursor, context);
  if (parsed && parsed.type.pointers === 0 && elementType(parsed.type.name) && cursor.peek() === "(") {
    const [operand] = parseArguments(context);
    return { kind: "cast", type: parsed.type, operand: operand ?? { kind: "number", value: 0, floating: false } };
  }
  cursor.position = start;
  return undefined;
}

function parseNamedCast(context: ParserContext): Expression {
  const { cursor } = context;
  const reinterprets = cursor.next() === "reinterpret_cast";
  cursor.expect("<");
  const named: TypeName = parseType(cursor, context)?.type ?? { name: "int", pointers: 0 };
  const rows = parseRows(context);
  const type = rows ? { ...named, pointers: 1, rows } : named;
  while (!cursor.done && cursor.peek() !== ">") cursor.next();
  cursor.expect(">");
  cursor.expect("(");
  const operand = parseExpression(context);
  cursor.expect(")");
  return { kind: "cast", type, operand, ...(reinterprets ? { reinterprets } : {}) };
}

/** `<…>` behind a name, where it can only be template arguments: a call, a scope or a brace follows. */
function parseTemplateArguments(context: ParserContext): Expression[] {
  const { cursor } = context;
  if (cursor.peek() !== "<") return [];
  const end = cursor.templateEnd(0);
  const behind = end === undefined ? "" : (cursor.tokens[end]?.text ?? "");
  if (end === undefined || !["(", "::", "{"].includes(behind)) return [];
  cursor.next();
  const found: Expression[] = [];
  while (cursor.position < end - 1) {
    found.push(parseTemplateArgument(context));
    if (!cursor.accept(",")) break;
  }
  cursor.position = end;
  return found;
}

function parseTemplateArgument(context: ParserContext): Expression {
  const { cursor } = context;
  const start = cursor.position;
  const type = parseType(cursor, context);
  if (type?.certain && [",", ">"].includes(cursor.peek())) return { kind: "sizeof", type: type.type };
  cursor.position = start;
  try {
    return parseBinary(context, 8);
  } catch {
    return { kind: "text" };
  }
}

function parseArguments(context: ParserContext): Expression[] {
  const { cursor } = context;
  cursor.expect("(");
  const found: Expression[] = [];
  while (!cursor.done && cursor.peek() !== ")") {
    found.push(parseAssignment(context));
    if (!cursor.accept(",")) break;
  }
  cursor.expect(")");
  return found;
}

function parsePostfix(context: ParserContext, start: Expression): Expression {
  const { cursor } = context;
  let expression = start;
  for (;;) {
    const operator = cursor.peek();
    if (operator === "[") expression = parseIndex(context, expression);
    else if (operator === "." || operator === "->") {
      cursor.next();
      cursor.accept("template");
      expression = { kind: "member", object: expression, name: cursor.identifier() };
    } else if (operator === "(") {
      expression = { kind: "call", callee: expression, templateArguments: [], arguments: parseArguments(context) };
    } else if (operator === "++" || operator === "--") {
      cursor.next();
      expression = { kind: "unary", operator, operand: expression, postfix: true };
    } else if (operator === "<" && expression.kind === "member" && parseTemplateArguments(context).length > 0) {
      continue;
    } else return expression;
  }
}

function parseIndex(context: ParserContext, object: Expression): Expression {
  context.cursor.expect("[");
  const index = parseExpression(context);
  context.cursor.expect("]");
  return { kind: "index", object, index };
}
