import { dtypes, KernelcastError, type Expression, type Launch, type LaunchArgument } from "../domain/index.ts";
import { declaredTypes, type DeclaredType } from "./parameter-type.ts";

/** What a launch in CUDA's own spelling refers to. */
export interface LaunchContext {
  readonly source: string;
  /** Names of the task's arguments. */
  readonly argumentNames: readonly string[];
}

const advice = 'write it as "k<<<ceil_div(n, 256), 256>>>(x, y, n)"';

/**
 * Reads `kernel<<<grid, block, shared bytes>>>(arguments)`. Grid and block are one expression over the task's sizes, or up to three in
 * parentheses. An argument is the name of one of the task's, or a scalar: of the type that the source declares, or `f32(0.5)`. Throws
 * `KernelcastError("usage", …)`.
 */
export function parseLaunch(text: string, context: LaunchContext): Launch {
  const match = /^\s*([A-Za-z_]\w*)\s*<<<([^]*)>>>\s*\(([^]*)\)\s*;?\s*$/.exec(text);
  const [grid, block, smem, ...more] = splitAtCommas(match?.[2] ?? "");
  if (!match?.[1] || grid === undefined || block === undefined || more.length > 0) {
    throw new KernelcastError("usage", `--launch ${text}: cannot be read; ${advice}`);
  }
  const typeAt = declaredTypes(context.source, match[1]);
  return {
    kernel: match[1],
    grid: dimensions(text, grid),
    block: dimensions(text, block),
    smemBytes: smem === undefined ? 0 : toExpression(smem),
    args: splitAtCommas(match[3] ?? "").map((argument, index) => toArgument(text, argument, index, typeAt, context)),
  };
}

function dimensions(launch: string, text: string): Launch["grid"] {
  const inner = /^(?:dim3)?\s*\(([^]*)\)$/.exec(text)?.[1];
  const isOne = inner !== undefined && staysOpen(inner);
  const [x, y = 1, z = 1, ...more] = splitAtCommas(isOne ? inner : text).map(toExpression);
  if (x === undefined || more.length > 0)
    throw new KernelcastError("usage", `--launch ${launch}: "${text}" is not one to three dimensions; ${advice}`);
  return [x, y, z];
}

function toArgument(
  launch: string,
  text: string,
  index: number,
  typeAt: DeclaredType,
  { argumentNames }: LaunchContext,
): LaunchArgument {
  if (argumentNames.includes(text)) return text;
  const typed = /^(\w+)\(([^]*)\)$/.exec(text);
  const named = dtypes.find((dtype) => dtype === typed?.[1]);
  if (named) return { [named]: toExpression(typed?.[2] ?? "") };
  const declared = typeAt(index);
  if (declared) return { [declared]: toExpression(text) };
  throw new KernelcastError(
    "usage",
    `--launch ${launch}: "${text}" is no argument of the task (it has ${argumentNames.join(", ")}), and the source declares no type for it; a scalar may be written as i32(5)`,
  );
}

function toExpression(text: string): Expression {
  const trimmed = text.trim();
  const value = Number(trimmed.replace(/(?<=[\d.])f$/, ""));
  return trimmed === "" || Number.isNaN(value) ? trimmed : value;
}

/** Whether no parenthesis in a text closes one before it: `(a) * (b)` is no list in parentheses. */
function staysOpen(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === "(") depth++;
    if (character === ")" && --depth < 0) return false;
  }
  return true;
}

/** The parts between commas that no parentheses enclose; none for an empty text. */
function splitAtCommas(text: string): string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const character of text) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (character === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += character;
  }
  const trimmed = parts.map((part) => part.trim());
  return trimmed.length === 1 && trimmed[0] === "" ? [] : trimmed;
}
