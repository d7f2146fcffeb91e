import { isCode, lexCuda, type CudaToken } from "../../../domain/index.ts";

/** A macro of the source or of a `-D` option. `parameters` is undefined for one without parentheses. */
interface Macro {
  readonly parameters?: readonly string[];
  readonly body: readonly CudaToken[];
}

interface Conditional {
  active: boolean;
  taken: boolean;
}

/** Largest number of tokens after expansion; beyond it macros are left as they stand. */
const expansionLimit = 60_000;

/**
 * Code tokens of a source with macros expanded and inactive branches of simple conditionals dropped. `#pragma unroll`
 * stays as one punctuation token `#unroll` or `#unroll N`; other directives go. `defines` are `-Dname=value` options.
 */
export function preprocess(source: string, compileOptions: readonly string[]): CudaToken[] {
  const macros = new Map<string, Macro>();
  for (const option of compileOptions) defineOption(option, macros);
  const output: CudaToken[] = [];
  const conditionals: Conditional[] = [];
  for (const line of logicalLines(lexCuda(source))) {
    const active = conditionals.every((conditional) => conditional.active);
    if (line[0]?.text !== "#") {
      if (active) expandInto(output, line, macros, new Set());
    } else if (!handleConditional(line, macros, conditionals) && active) handleDirective(line, macros, output);
  }
  return output;
}

function defineOption(option: string, macros: Map<string, Macro>): void {
  const match = /^(?:-D|--define-macro=)\s*(\w+)(?:=(.*))?$/.exec(option);
  if (match?.[1]) macros.set(match[1], { body: lexCuda(match[2] ?? "1").filter(isCode) });
}

/** Runs of code tokens that belong together: a directive, or everything between two directives. */
function logicalLines(tokens: readonly CudaToken[]): CudaToken[][] {
  const lines: CudaToken[][] = [[]];
  let lineIsEmpty = true;
  for (const token of tokens) {
    const current = lines.at(-1) as CudaToken[];
    if (token.kind === "newline") {
      if (current[0]?.text === "#") lines.push([]);
      lineIsEmpty = true;
    } else if (token.text === "#" && lineIsEmpty) {
      lines.push([token]);
      lineIsEmpty = false;
    } else if (isCode(token) || isMacroGap(current, token)) {
      current.push(token);
      lineIsEmpty = false;
    }
  }
  return lines.filter((line) => line.length > 0);
}

/** Keeps the space after the name of a `#define`, which tells `F (x)` from `F(x)`. */
function isMacroGap(line: readonly CudaToken[], token: CudaToken): boolean {
  return token.kind === "space" && line.length === 3 && line[0]?.text === "#" && line[1]?.text === "define";
}

function handleConditional(
  line: readonly CudaToken[],
  macros: ReadonlyMap<string, Macro>,
  conditionals: Conditional[],
): boolean {
  const [, word = "", ...rest] = line.map(({ text }) => text);
  if (/^if(n?def)?$/.test(word)) {
    const active = word === "if" ? isTrue(rest, macros) : macros.has(rest[0] ?? "") === (word === "ifdef");
    conditionals.push({ active, taken: active });
    return true;
  }
  if (word === "endif") conditionals.pop();
  const top = conditionals.at(-1);
  if (top && (word === "elif" || word === "else")) {
    top.active = !top.taken && (word === "else" || isTrue(rest, macros));
    top.taken ||= top.active;
  }
  return /^(elif|else|endif)$/.test(word);
}

/** Only the common forms: a number, a macro with a number, `defined X`, `!`, a comparison; anything else is taken as true. */
function isTrue(words: readonly string[], macros: ReadonlyMap<string, Macro>): boolean {
  const text = words.join(" ");
  const defined = /^(! )?defined (?:\( )?(\w+)(?: \))?$/.exec(text);
  if (defined) return macros.has(defined[2] ?? "") !== (defined[1] !== undefined);
  const comparison = /^(\w+) (==|!=|>=|<=|>|<) (\w+)$/.exec(text);
  if (comparison) {
    const [left, right] = [numberOf(comparison[1] ?? "", macros), numberOf(comparison[3] ?? "", macros)];
    return compare(left, comparison[2] ?? "", right);
  }
  return words.length !== 1 || numberOf(words[0] ?? "", macros) !== 0;
}

function numberOf(word: string, macros: ReadonlyMap<string, Macro>): number {
  if (/^\d/.test(word)) return Number.parseInt(word, word.startsWith("0x") ? 16 : 10);
  if (word === "__CUDA_ARCH__") return 900;
  const body = macros.get(word)?.body;
  return body?.length === 1 && body[0]?.kind === "number" ? Number.parseInt(body[0].text, 10) : body ? 1 : 0;
}

function compare(left: number, operator: string, right: number): boolean {
  if (operator === "==") return left === right;
  if (operator === "!=") return left !== right;
  if (operator === ">=") return left >= right;
  if (operator === "<=") return left <= right;
  return operator === ">" ? left > right : left < right;
}

function handleDirective(line: readonly CudaToken[], macros: Map<string, Macro>, output: CudaToken[]): void {
  const words = line.map(({ text }) => text);
  if (words[1] === "define") define(line, macros);
  else if (words[1] === "undef") macros.delete(words[2] ?? "");
  else if (words[1] === "pragma" && /^(no)?unroll$/.test(words[2] ?? "")) {
    const expanded: CudaToken[] = [];
    expandInto(expanded, line.slice(3), macros, new Set());
    const count = words[2] === "nounroll" ? "1" : (expanded.find(({ kind }) => kind === "number")?.text ?? "");
    output.push({ kind: "punctuation", text: `#unroll ${count}`.trimEnd() });
  }
}

function define(line: readonly CudaToken[], macros: Map<string, Macro>): void {
  const name = line[2]?.text ?? "";
  const rest = line.slice(3).filter(isCode);
  if (line[3]?.text !== "(") {
    macros.set(name, { body: rest });
    return;
  }
  const close = rest.findIndex(({ text }) => text === ")");
  const parameters = rest
    .slice(1, close)
    .filter(({ kind, text }) => kind === "identifier" || text === "...")
    .map(({ text }) => (text === "..." ? "__VA_ARGS__" : text));
  macros.set(name, { parameters, body: rest.slice(close + 1) });
}

/** Appends tokens with macros expanded; `hidden` are those being expanded, which do not expand again. */
function expandInto(
  output: CudaToken[],
  tokens: readonly CudaToken[],
  macros: ReadonlyMap<string, Macro>,
  hidden: ReadonlySet<string>,
): void {
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] as CudaToken;
    const macro = token.kind === "identifier" && !hidden.has(token.text) ? macros.get(token.text) : undefined;
    if (!macro || output.length > expansionLimit) output.push(token);
    else if (!macro.parameters) expandInto(output, macro.body, macros, new Set([...hidden, token.text]));
    else {
      const call = readArguments(tokens, at + 1);
      if (call) {
        const body = substitute(macro.parameters, macro.body, call.arguments);
        expandInto(output, body, macros, new Set([...hidden, token.text]));
        at = call.end;
      } else output.push(token);
    }
  }
}

interface MacroCall {
  readonly arguments: readonly (readonly CudaToken[])[];
  readonly end: number;
}

function readArguments(tokens: readonly CudaToken[], start: number): MacroCall | undefined {
  if (tokens[start]?.text !== "(") return undefined;
  const found: CudaToken[][] = [[]];
  let depth = 0;
  for (let at = start; at < tokens.length; at++) {
    const token = tokens[at] as CudaToken;
    if (/^[([{]$/.test(token.text)) depth++;
    if (/^[)\]}]$/.test(token.text)) depth--;
    if (depth === 0) return { arguments: found, end: at };
    if (token.text === "," && depth === 1) found.push([]);
    else if (at > start) (found.at(-1) as CudaToken[]).push(token);
  }
  return undefined;
}

function substitute(
  parameters: readonly string[],
  body: readonly CudaToken[],
  given: readonly (readonly CudaToken[])[],
): CudaToken[] {
  return body.flatMap((token): readonly CudaToken[] => {
    const place = parameters.indexOf(token.text);
    if (place < 0) return token.text === "##" ? [] : [token];
    if (token.text !== "__VA_ARGS__") return given[place] ?? [];
    return given.slice(place).flatMap((part, index) => (index === 0 ? part : [comma, ...part]));
  });
}

const comma: CudaToken = { kind: "punctuation", text: "," };
