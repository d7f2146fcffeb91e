import { KernelcastError } from "../domain/index.ts";
import { splitExpressions, type InitAnswers, type InitQuestion } from "../formats/init-task-plan.ts";

/** The repeatable flags of `init` that answer questions, as given. */
export interface AnswerFlags {
  readonly size: readonly string[];
  readonly kernel: readonly string[];
  readonly grid: readonly string[];
  readonly block: readonly string[];
  readonly smem: readonly string[];
  readonly role: readonly string[];
  readonly shape: readonly string[];
  readonly dtype: readonly string[];
  readonly draw: readonly string[];
  readonly scalar: readonly string[];
}

/** Flags as answers. Throws `KernelcastError("usage", …)` for a flag that is not NAME=VALUE. */
export function toAnswers(flags: AnswerFlags): InitAnswers {
  return {
    kernels: flags.kernel,
    sizes: named("size", flags.size),
    roles: named("role", flags.role),
    shapes: named("shape", flags.shape),
    dtypes: named("dtype", flags.dtype),
    draws: named("draw", flags.draw),
    scalars: named("scalar", flags.scalar),
    grids: flags.grid,
    blocks: flags.block,
    smems: flags.smem,
  };
}

function named(flag: string, pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const match = /^\s*([A-Za-z_]\w*)\s*=\s*(.*\S)\s*$/.exec(pair);
      if (match?.[1] && match[2]) return [match[1], match[2]];
      throw new KernelcastError("usage", `--${flag} ${pair}: write --${flag} NAME=VALUE`);
    }),
  );
}

/** The answers with one more. */
export function withAnswer(answers: InitAnswers, { field, key }: InitQuestion, answer: string): InitAnswers {
  if (field === "kernels") return { ...answers, kernels: splitExpressions(answer) };
  const known = answers[field];
  if (isList(known)) return { ...answers, [field]: [...known, answer] };
  return { ...answers, [field]: { ...known, [key]: answer } };
}

function isList(value: InitAnswers[keyof InitAnswers]): value is readonly string[] {
  return Array.isArray(value);
}
