import type { Expression } from "./ast.ts";
import { asyncCopy, countMatrix } from "./calls.ts";
import type { OperationName } from "./profile.ts";
import type { Scope, Value } from "./values.ts";
import type { Walker } from "./walker.ts";

/** Reads a statement of inline assembly by the instructions it names; addresses come from its operands. */
export function visitAssembly(walker: Walker, text: string, operands: readonly Expression[], scope: Scope): void {
  const values = operands.map((operand) => walker.evaluate(operand, scope));
  const code = text.replace(/\/\*.*?\*\/|\/\/.*?(?=\\n|$)/gs, " ");
  for (const instruction of code.split(/;|\\n/)) visitInstruction(walker, instruction, values);
}

function visitInstruction(walker: Walker, instruction: string, values: readonly Value[]): void {
  const name = /(?:^|[\s{}])(?:@!?\w+\s+)?([a-z][\w.:]*\.[\w.:]*|[a-z]+)\b/.exec(instruction)?.[1] ?? "";
  const matrix = /^w?gmma|^mma/.test(name) ? /m(\d+)n(\d+)k(\d+)/.exec(name) : null;
  if (matrix) {
    const flops = 2 * Number(matrix[1]) * Number(matrix[2]) * Number(matrix[3]);
    countMatrix(walker, name.startsWith("wgmma") ? flops / 4 : flops);
  } else if (/^cp\.async\.(wait|mbarrier)/.test(name) || name.startsWith("wgmma.wait")) walker.count("asyncWait");
  else if (/^cp\.async\.c[ag]/.test(name)) visitCopy(walker, instruction, values);
  else if (name.startsWith("cp.async.bulk")) visitBulkCopy(walker, name);
  else if (name.startsWith("ldmatrix") || name.startsWith("stmatrix")) visitMatrixLoad(walker, name, values);
  else visitPlain(walker, name, values);
}

function visitCopy(walker: Walker, instruction: string, values: readonly Value[]): void {
  const bytes = Number(/,\s*(4|8|16)\s*(?:,|$)/.exec(instruction)?.[1] ?? 16);
  const target = values.find((value) => value.kind === "pointer" && value.space === "shared");
  const source = values.find((value) => value.kind === "pointer" && value.space === "global");
  asyncCopy(walker, target, source, bytes);
}

/** How much is copied is not looked into, nor from where to where. */
function visitBulkCopy(walker: Walker, name: string): void {
  walker.count("asyncCopy");
  if (/^cp\.async\.bulk\.(tensor\.\w+\.)?global/.test(name)) walker.recorder.unseen = true;
}

/** Each of `xN` 8 × 8 matrices is eight rows of 16 bytes, one row's address per lane. */
function visitMatrixLoad(walker: Walker, name: string, values: readonly Value[]): void {
  walker.count("matrixLoad");
  const pointer = values.find((value) => value.kind === "pointer" && value.space === "shared");
  if (pointer?.kind === "pointer" && name.includes(".x4")) walker.access(pointer, 16, { write: name.startsWith("st") });
}

/** Counters of instructions that touch no memory, by how their names begin. */
const counters: readonly (readonly [RegExp, OperationName])[] = [
  [/^(ex2|lg2|rcp|rsqrt|sqrt|sin|cos|tanh)\./, "special"],
  [/^(bar|barrier)\./, "barrier"],
  [/^shfl\./, "shuffle"],
  [/^cvt\./, "conversion"],
  [/^(fma|add|mul|sub|max|min)\..*f16/, "f16"],
  [/^(fma|add|mul|sub|max|min)\..*f32/, "f32"],
  [/./, "integer"],
];

function visitPlain(walker: Walker, name: string, values: readonly Value[]): void {
  const pointer = values.find((value) => value.kind === "pointer");
  const kind = /^(ld|st|red|atom)\./.exec(name)?.[1];
  if (kind === undefined || pointer?.kind !== "pointer") {
    const counter = counters.find(([pattern]) => pattern.test(name))?.[1];
    if (counter) walker.count(counter);
    return;
  }
  const vector = Number(/\.v([248])/.exec(name)?.[1] ?? 1);
  const width = Number(/\.[bfusp](8|16|32|64|128)/.exec(name)?.[1] ?? 32) / 8;
  walker.access(pointer, vector * width, { write: kind !== "ld", atomic: kind === "red" || kind === "atom" });
}
