import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { KernelcastError, type BatchAnswer, type Forecaster, type ModelPrice } from "../../domain/index.ts";
import { createBatchModel, type BatchModel } from "../../forecast/llm/batch-model.ts";
import { createLlmForecaster } from "../../forecast/llm/llm-forecaster.ts";
import { parseLlmSpecification, type LlmSpecification } from "../../forecast/llm/options.ts";
import { plainAnswer, readBatchAnswers } from "../../formats/batch-answers.ts";
import {
  answerSuffixes,
  batchFormats,
  encodeBatch,
  encodeBatchFolder,
  type BatchFormat,
} from "../../formats/batch-requests.ts";
import { readText } from "../../formats/read-text.ts";
import { writeFiles } from "../../formats/write-files.ts";
import { sanitisedForecaster } from "../sanitised-forecaster.ts";

/** Files that prompts go to and answers come from, instead of calls. */
export interface BatchFiles {
  /** File or folder for the prompts that have no answer yet. */
  readonly out?: string | undefined;
  /** Files or folders with answers. */
  readonly in: readonly string[];
  /** By default the provider's, else plain. */
  readonly format?: BatchFormat | undefined;
}

/** What became of a batch. */
export interface BatchOutcome {
  readonly prompts: number;
  readonly answered: number;
  /** Prompts without an answer; written to `out` where that was asked for. */
  readonly pending: number;
  readonly out: string | undefined;
  readonly notes: readonly string[];
}

export interface OpenBatch {
  readonly forecaster: Forecaster;
  /** Writes the prompts that are left, once all have been asked. */
  finish(): Promise<BatchOutcome>;
}

/** Providers whose batches cost half of the list price. */
const batchProviders = ["openai", "anthropic", "google"] as const;

interface BatchSpecification extends LlmSpecification {
  readonly name: string;
  readonly format: BatchFormat;
}

/** Throws `KernelcastError("usage", …)` for a forecaster or files that a batch cannot be made with. */
export function checkBatch(text: string, files: BatchFiles, cwd: string): BatchSpecification {
  const colon = text.indexOf(":");
  if (colon < 1) {
    const why = "a batch is for a language model: name it with --forecaster PROVIDER:MODEL, for example anthropic:NAME";
    throw new KernelcastError("usage", `--forecaster ${text}: ${why}`);
  }
  const provider = text.slice(0, colon);
  const specification = parseLlmSpecification(text.slice(colon + 1));
  const format = files.format ?? batchFormats.find((one) => one === provider) ?? "plain";
  if (files.out !== undefined && format !== "plain" && isFolder(resolve(cwd, files.out))) {
    throw new KernelcastError(
      "usage",
      `--batch-out ${files.out}: a batch of the format ${format} is a file, as batch.jsonl`,
    );
  }
  return { ...specification, name: `${provider}:${specification.model}`, format };
}

/** A forecaster that is asked through files. Reads the answers; throws `KernelcastError` for a file that cannot be read. */
export async function openBatch(text: string, files: BatchFiles, cwd: string): Promise<OpenBatch> {
  const { name, model: modelName, options, format } = checkBatch(text, files, cwd);
  const notes: string[] = [];
  const answers = new Map<string, BatchAnswer>();
  for (const path of files.in) {
    const read = isFolder(resolve(cwd, path)) ? await readFolder(path, cwd) : await readFile(path, cwd);
    notes.push(...read.faults);
    for (const [id, answer] of read.answers) answers.set(id, answer);
  }
  const price = await priceOf(name);
  const model = createBatchModel({ name, answers, ...(price ? { price } : {}) });
  return {
    forecaster: sanitisedForecaster(createLlmForecaster(model, options)),
    finish: async () => {
      const { out } = files;
      if (out !== undefined) await writeBatch(resolve(cwd, out), model, format, modelName);
      const strangers = [...answers.keys()].filter((id) => !model.asked.has(id));
      return outcomeOf(model, out, [...notes, ...strangerNotes(strangers)]);
    },
  };
}

/** Batches are known of hosted models; what follows another name is no model that calls could reach. */
async function priceOf(name: string): Promise<ModelPrice | undefined> {
  const { batchPrice } = await import("../../language-model/index.ts");
  return batchProviders.some((provider) => name.startsWith(`${provider}:`))
    ? batchPrice(name, new Date().toISOString().slice(0, 10))
    : undefined;
}

async function readFile(path: string, cwd: string) {
  return readBatchAnswers(await readText(path, { what: "answers", code: "model", from: cwd }), path);
}

async function readFolder(path: string, cwd: string) {
  const answers = new Map<string, BatchAnswer>();
  for (const name of (await readdir(resolve(cwd, path))).sort()) {
    const suffix = answerSuffixes.find((one) => name.endsWith(one));
    if (suffix === undefined) continue;
    const text = await readText(join(path, name), { what: "answer", code: "model", from: cwd });
    answers.set(basename(name, suffix), plainAnswer(text));
  }
  const faults =
    answers.size > 0 ? [] : [`${path}: it holds no file ${answerSuffixes.map((one) => `ID${one}`).join(" or ")}`];
  return { answers, faults };
}

/** A folder that is there, or a name without an ending. */
function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? (path.endsWith("/") || extname(path) === "");
}

async function writeBatch(path: string, { pending }: BatchModel, format: BatchFormat, model: string): Promise<void> {
  const requests = [...pending.values()];
  if (isFolder(path)) return writeFiles(path, encodeBatchFolder(requests));
  return writeFiles(dirname(path), [{ name: basename(path), content: encodeBatch(requests, format, model) }]);
}

function strangerNotes(ids: readonly string[]): string[] {
  const [first] = ids;
  if (first === undefined) return [];
  const count = ids.length === 1 ? "1 answer belongs" : `${ids.length} answers belong`;
  return [
    `${count} to no prompt of this command (${first}${ids.length > 1 ? ", …" : ""}): was it made with other flags?`,
  ];
}

function outcomeOf(model: BatchModel, out: string | undefined, notes: readonly string[]): BatchOutcome {
  const prompts = model.asked.size;
  const pending = model.pending.size;
  const left =
    pending > 0 && out === undefined
      ? [`${pending} of ${prompts} prompts have no answer; --batch-out FILE writes those to ask (again)`]
      : [];
  return { prompts, answered: prompts - pending, pending, out, notes: [...notes, ...left] };
}
