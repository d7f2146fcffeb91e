import { lexCuda, resolveLaunch, type CudaToken, type Kernel, type Launch, type Task } from "../../domain/index.ts";
import { preprocess } from "../static/analysis/preprocess.ts";

/** What a word stands for; the tokenizer spells each kind in its own way. */
export type WordKind = "plain" | "name" | "number";

/** A word of a kernel as the embedded forecaster reads it. */
export interface Word {
  readonly kind: WordKind;
  readonly text: string;
}

/** Buffers of a task that have a word of their own; those beyond share the last. */
export const bufferWords = 24;

/** What a task's kernels are read with. */
export type ReadTask = Pick<Task, "workload" | "tolerance" | "precisions">;

/**
 * The words of a kernel: its task's buffers, its launches, then its source without comments and with macros expanded and constants in
 * place, so that two spellings of one program read alike. Names of buffers and of the task are not read; the program's
 * own names are words of kind `name`.
 */
export function kernelWords(kernel: Kernel, task: ReadTask): Word[] {
  const buffers = new Map(task.workload.args.map(({ name }, place) => [name, bufferWord(place)]));
  const words = [...taskWords(task, buffers)];
  for (const launch of kernel.launches) words.push(...launchWords(launch, task, buffers));
  words.push(plain("<source>"));
  for (const token of preprocess(kernel.source, kernel.compileOptions)) words.push(...wordsOf(token));
  return words;
}

/** The word of the task's buffer at a place. */
export function bufferWord(place: number): string {
  return `<buffer ${Math.min(place, bufferWords - 1)}>`;
}

function* taskWords(
  { workload, tolerance, precisions }: ReadTask,
  buffers: ReadonlyMap<string, string>,
): Generator<Word> {
  yield plain(`<${tolerance.type}>`);
  for (const precision of precisions) yield plain(`<${precision}>`);
  for (const { name, role, dtype, shape } of workload.args) {
    yield* [plain(buffers.get(name) ?? ""), plain(`<${role}>`), plain(`<${dtype}>`)];
    yield* shape.map(number);
  }
}

function* launchWords(launch: Launch, { workload }: ReadTask, buffers: ReadonlyMap<string, string>): Generator<Word> {
  const { kernel, grid, block, smemBytes, args } = resolveLaunch(launch, workload.sizes);
  yield* [plain("<launch>"), { kind: "name", text: kernel }];
  yield* [...grid, ...block, smemBytes].map(number);
  for (const argument of args) {
    yield typeof argument === "string" ? plain(buffers.get(argument) ?? "") : number(argument.value);
  }
}

function number(value: number): Word {
  return { kind: "number", text: String(value) };
}

function plain(text: string): Word {
  return { kind: "plain", text };
}

function wordsOf({ kind, text }: CudaToken): Word[] {
  if (kind === "identifier") return [{ kind: "name", text }];
  if (kind === "number") return [{ kind: "number", text: text.toLowerCase() }];
  if (kind === "string") return assemblyWords(text);
  if (text.startsWith("#unroll")) return unrollWords(text);
  return [plain(text)];
}

/** Strings are mostly assembly: their words are read like code, without comments; words that are not known tell nothing. */
function assemblyWords(text: string): Word[] {
  const inner = text
    .replace(/^\w*"/, "")
    .replace(/"$/, "")
    .replace(/\\[nrt]/g, " ");
  const words = lexCuda(inner).flatMap((token) =>
    token.kind === "identifier" || token.kind === "number" || token.kind === "punctuation" ? wordsOf(token) : [],
  );
  return [plain('"'), ...words, plain('"')];
}

function unrollWords(text: string): Word[] {
  const [directive = "", count] = text.split(" ");
  return count === undefined ? [plain(directive)] : [plain(directive), { kind: "number", text: count }];
}
