import type { Dtype } from "./dtype.ts";
import { KernelcastError } from "./errors.ts";
import { isCode, lexCuda } from "./cuda-lexer.ts";
import { dtypeOf } from "./cuda-types.ts";

/** One parameter of a `__global__` function, as declared. */
export interface CudaParameter {
  readonly name: string;
  readonly pointer: boolean;
  /** True when what a pointer points to is const. */
  readonly readOnly: boolean;
  /** Element type; of a vector type (`float4`) its component's. Absent for types that are not numbers. */
  readonly dtype?: Dtype;
  /** Why it cannot be an argument of a task, with what to do; absent for one that can. */
  readonly fault?: string;
  /** The declaration's text. */
  readonly text: string;
}

/** A `__global__` function that a source defines. */
export interface CudaKernel {
  readonly name: string;
  readonly externC: boolean;
  readonly template: boolean;
  readonly isStatic: boolean;
  /** True in an unnamed namespace, where a function has no name for others. */
  readonly isHidden: boolean;
  readonly parameters: readonly CudaParameter[];
  /** The first argument of `__launch_bounds__`, where it is a number. */
  readonly launchBounds?: number;
}

interface Token {
  readonly text: string;
  readonly offset: number;
}

/** The `__global__` functions that a CUDA source defines, in order. Throws nothing: what cannot be read is left out. */
export function parseCudaKernels(source: string): CudaKernel[] {
  const tokens = codeTokens(source);
  return tokens.flatMap((token, index) => {
    const kernel = token.text === "__global__" ? readKernel(source, tokens, index) : undefined;
    return kernel ? [kernel] : [];
  });
}

function codeTokens(source: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  for (const token of lexCuda(source)) {
    if (isCode(token)) tokens.push({ text: token.text, offset });
    offset += token.text.length;
  }
  return tokens;
}

function readKernel(source: string, tokens: readonly Token[], start: number): CudaKernel | undefined {
  const open = parameterList(tokens, start + 1);
  const name = tokens[open - 1]?.text;
  const close = matching(tokens, open);
  if (open < 0 || close < 0 || name === undefined || tokens[close + 1]?.text !== "{") return undefined;
  const before = declarationWords(tokens, start);
  const bounds = launchBounds(tokens.slice(start, open));
  return {
    name,
    externC: before.includes('"C"') || insideBraces(tokens, start, ["extern", '"C"']),
    isHidden: insideBraces(tokens, start, ["namespace"]),
    template: before.includes("template"),
    isStatic: before.includes("static") || tokens.slice(start, open).some(({ text }) => text === "static"),
    parameters: splitParameters(source, tokens.slice(open + 1, close + 1)),
    ...(bounds === undefined ? {} : { launchBounds: bounds }),
  };
}

/** Index of the `(` that opens the parameters: the first one that does not belong to an attribute. */
function parameterList(tokens: readonly Token[], from: number): number {
  for (let at = from; at < tokens.length; at++) {
    const { text } = tokens[at] as Token;
    if (text === ";" || text === "{") return -1;
    if (text !== "(") continue;
    if (!/^__\w+__$/.test(tokens[at - 1]?.text ?? "")) return at;
    at = matching(tokens, at);
    if (at < 0) return -1;
  }
  return -1;
}

/** Index of the parenthesis that closes the one at `open`, or -1. */
function matching(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let at = Math.max(open, 0); at < tokens.length; at++) {
    if (tokens[at]?.text === "(") depth++;
    if (tokens[at]?.text === ")" && --depth === 0) return at;
  }
  return -1;
}

/** The words of the declaration that stand before `__global__`. */
function declarationWords(tokens: readonly Token[], start: number): string[] {
  const words: string[] = [];
  for (let at = start - 1; at >= 0; at--) {
    const { text } = tokens[at] as Token;
    if (text === ";" || text === "}" || text === "{" || text === "#") break;
    words.push(text);
  }
  return words;
}

/** True when a `{` that stands directly behind `words` is open at `index`. */
function insideBraces(tokens: readonly Token[], index: number, words: readonly string[]): boolean {
  const open: boolean[] = [];
  for (let at = 0; at < index; at++) {
    if (tokens[at]?.text === "{") open.push(words.every((word, i) => tokens[at - words.length + i]?.text === word));
    if (tokens[at]?.text === "}") open.pop();
  }
  return open.includes(true);
}

function launchBounds(tokens: readonly Token[]): number | undefined {
  const at = tokens.findIndex(({ text }) => text === "__launch_bounds__");
  const value = at < 0 ? Number.NaN : Number(tokens[at + 2]?.text);
  return Number.isInteger(value) ? value : undefined;
}

/** `tokens`: from behind the `(` to the `)`, which is included. */
function splitParameters(source: string, tokens: readonly Token[]): CudaParameter[] {
  const groups: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens.slice(0, -1)) {
    if (depth === 0 && token.text === ",") groups.push([]);
    else groups.at(-1)?.push(token);
    if ("(<[".includes(token.text)) depth++;
    if (")>]".includes(token.text)) depth--;
  }
  const declared = groups.filter((group) => group.length > 1 || (group.length === 1 && group[0]?.text !== "void"));
  return declared.map((group) => toParameter(source, group));
}

const qualifiers = new Set([
  "const",
  "volatile",
  "__restrict__",
  "__restrict",
  "restrict",
  "__grid_constant__",
  "struct",
]);

function toParameter(source: string, tokens: readonly Token[]): CudaParameter {
  const assign = tokens.findIndex(({ text }) => text === "=");
  const words = (assign < 0 ? tokens : tokens.slice(0, assign)).map(({ text }) => text);
  const array = words.indexOf("[");
  const declared = array < 0 ? words : words.slice(0, array);
  const star = declared.findIndex((word) => word === "*" || word === "&");
  const pointee = star < 0 ? declared.slice(0, -1) : declared.slice(0, star);
  const type = pointee
    .filter((word) => !qualifiers.has(word))
    .join(" ")
    .replaceAll(" :: ", "::");
  const dtype = dtypeOf(componentType(type));
  const [head, tail] = [tokens[0] as Token, tokens.at(-1) as Token];
  const name = declared.at(-1) ?? "";
  const fault = faultOf(name, declared);
  return {
    name,
    pointer: star >= 0 || array >= 0,
    readOnly: pointee.includes("const"),
    ...(dtype ? { dtype } : {}),
    ...(fault === undefined ? {} : { fault }),
    text: source.slice(head.offset, tail.offset + tail.text.length).replace(/\s+/g, " "),
  };
}

const typeWords = /^(void|bool|char|short|int|long|float|double|half|signed|unsigned|\w+_t)$/;

function faultOf(name: string, declared: readonly string[]): string | undefined {
  const words = declared.filter((word) => !qualifiers.has(word));
  if (!/^[A-Za-z_]\w*$/.test(name) || typeWords.test(name) || words.length < 2)
    return 'has no name that can be read; declare it as "TYPE name" or "TYPE* name"';
  if (words.includes("&")) return "is a reference, which a kernel cannot take; pass its value, or a pointer";
  if (words.filter((word) => word === "*").length > 1)
    return "is a pointer to pointers; pass each array as a parameter of its own";
  return undefined;
}

/** The type of one component of a vector type: `float4` is `float`, `__half2` is `__half`, `uint2` is `unsigned int`. */
function componentType(type: string): string {
  const vector = /^(float|double|u?char|u?short|u?int|u?longlong|__half|half|__nv_bfloat16|nv_bfloat16)[1234]$/.exec(
    type,
  );
  if (!vector?.[1]) return type.replace(/^__nv_bfloat162$/, "__nv_bfloat16");
  return vector[1].replace("longlong", "long long").replace(/^u(?=char|short|int|long)/, "unsigned ");
}

/** Throws `KernelcastError("task", …)` for a kernel that cannot be called by its name, or with plain arguments. */
export function requireCallable({ name, template, isStatic, isHidden, parameters }: CudaKernel): void {
  const fault = (what: string): KernelcastError => new KernelcastError("task", `kernel ${name} ${what}`);
  if (template) throw fault("is a template; write the instance to be optimised as a plain function");
  if (isStatic) throw fault('is static and cannot be called by name; remove "static"');
  if (isHidden) throw fault("is in an unnamed namespace and cannot be called by name; move it out");
  const faulty = parameters.find((parameter) => parameter.fault !== undefined);
  if (faulty) throw fault(`has a parameter "${faulty.text}" that ${faulty.fault}`);
  if (!parameters.some(({ pointer }) => pointer)) throw fault("has no pointer parameter, so it has no output to check");
}

/** The source with `extern "C"` before each of the named kernels that lacks it, and before their forward declarations. */
export function withExternC(source: string, kernels: readonly CudaKernel[]): string {
  const names = new Set(kernels.filter(({ externC }) => !externC).map(({ name }) => name));
  const tokens = codeTokens(source);
  const places = tokens.flatMap((token, index) => {
    if (token.text !== "__global__") return [];
    const name = tokens[parameterList(tokens, index + 1) - 1]?.text;
    const start = tokens[specifierStart(tokens, index)];
    return name !== undefined && names.has(name) && start ? [start.offset] : [];
  });
  return places
    .toSorted((a, b) => b - a)
    .reduce((text, at) => `${text.slice(0, at)}extern "C" ${text.slice(at)}`, source);
}

const specifiers = new Set(["void", "inline", "__inline__", "__forceinline__", "__noinline__"]);

/** Index of the first word of the declaration whose `__global__` is at `index`: linkage must stand before all of them. */
function specifierStart(tokens: readonly Token[], index: number): number {
  let start = index;
  for (;;) {
    const before = tokens[start - 1]?.text ?? "";
    if (specifiers.has(before)) start--;
    else if (before === ")") {
      const open = opening(tokens, start - 1);
      if (!/^__\w+__$/.test(tokens[open - 1]?.text ?? "")) return start;
      start = open - 1;
    } else return start;
  }
}

/** Index of the parenthesis that the one at `close` closes, or 0. */
function opening(tokens: readonly Token[], close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (tokens[at]?.text === ")") depth++;
    if (tokens[at]?.text === "(" && --depth === 0) return at;
  }
  return 0;
}

const hostHeaders =
  /^\s*#\s*include\s*[<"](iostream|c?stdio(\.h)?|c?stdlib(\.h)?|vector|string|chrono|random|cuda_runtime(_api)?\.h|cublas\w*\.h|torch\/.*|ATen\/.*)[>"]/m;

/** Host code that a seed may not hold (kernels are compiled by NVRTC alone), as one phrase; undefined when there is none. */
export function findHostCode(source: string): string | undefined {
  const tokens = codeTokens(source);
  const main = tokens.findIndex(({ text }, index) => text === "main" && tokens[index + 1]?.text === "(");
  if (main >= 0) return "a main function";
  if (tokens.some(({ text }) => text === "<<<")) return "a <<<…>>> launch";
  const header = hostHeaders.exec(source);
  return header?.[1] === undefined ? undefined : `#include of ${header[1]}`;
}
