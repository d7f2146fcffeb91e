import {
  KernelcastError,
  type Generated,
  type GenerateRequest,
  type GenerationFailure,
  type LanguageModel,
} from "../../domain/index.ts";
import { unansweredMessage } from "./batch-model.ts";
import type { AnswerFault, Form } from "./form.ts";
import type { LabelledKernel, PromptWriter } from "./prompt/prompt-writer.ts";
import { promptHash } from "./prompt-hash.ts";

/** Asks after which what is still wrong or missing is given up. */
const mostAsks = 4;
/** How often an answer for a kernel may be unusable. */
const mostStrikes = 2;

/** One kernel's reading and the prompt that it answers. */
export interface ListReading {
  readonly reading: unknown;
  readonly promptSha256: string;
}

/** What asking for a list of kernels gave, by label. */
export interface ListResult {
  readonly readings: Map<string, ListReading>;
  readonly failures: Map<string, Omit<AnswerFault, "label">>;
  readonly faults: string[];
  tokens: number;
  usd: number;
  /** Of answers that were kept. */
  savedTokens: number;
  savedUsd: number;
}

const noCost = { tokens: 0, usd: 0, savedTokens: 0, savedUsd: 0 };

export interface ListAsker {
  readonly model: LanguageModel;
  readonly form: Form;
  readonly writer: PromptWriter;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks for a list of kernels. A list that the model cannot take, or whose answer breaks off, is halved; a kernel whose answer is
 * unusable is asked for once more, with what was wrong; missing ones are asked for as long as others come. What then lacks is a
 * failure. Rejects where no call can work: without a key, for an unknown model.
 */
export async function askList(
  asker: ListAsker,
  kernels: readonly LabelledKernel[],
  sample: number,
): Promise<ListResult> {
  const result: ListResult = { readings: new Map(), failures: new Map(), faults: [], ...noCost };
  await askPart(asker, kernels, sample, result);
  return result;
}

async function askPart(
  asker: ListAsker,
  kernels: readonly LabelledKernel[],
  sample: number,
  result: ListResult,
): Promise<void> {
  const strikes = new Map<string, number>();
  let wanted = kernels;
  let faults: readonly AnswerFault[] = [];
  for (let ask = 1; wanted.length > 0; ask++) {
    const request = asker.writer.write(wanted, sample, faults);
    const outcome = await asker.model.generate(request, asker.signal);
    result.tokens += outcome.usage.inputTokens + outcome.usage.outputTokens;
    result.usd += outcome.usd ?? 0;
    if (outcome.kind === "text" && outcome.saved) {
      result.savedTokens += outcome.saved.tokens;
      result.savedUsd += outcome.saved.usd;
    }
    if (outcome.kind === "failed") return unanswered(asker, outcome, wanted, sample, result);
    faults = take(asker, outcome, request, wanted, result);
    const before = wanted.length;
    wanted = wanted.filter(({ label }) => !result.readings.has(label));
    wanted = strike(wanted, faults, { strikes, progress: wanted.length < before, isLast: ask >= mostAsks }, result);
  }
}

/** Keeps what can be read; gives what is wrong. */
function take(
  { form, writer }: ListAsker,
  outcome: Generated,
  request: GenerateRequest,
  wanted: readonly LabelledKernel[],
  result: ListResult,
): readonly AnswerFault[] {
  const { readings, faults } = form.read(
    outcome,
    wanted.map(({ label }) => label),
    writer.scale,
  );
  const promptSha256 = promptHash(request);
  for (const [label, reading] of readings) result.readings.set(label, { reading, promptSha256 });
  for (const { kind } of faults) result.faults.push(kind);
  return faults;
}

interface Patience {
  readonly strikes: Map<string, number>;
  /** Whether the answer had anything of use. */
  readonly progress: boolean;
  readonly isLast: boolean;
}

/** The kernels to ask for once more; the others have failed. */
function strike(
  wanted: readonly LabelledKernel[],
  faults: readonly AnswerFault[],
  { strikes, progress, isLast }: Patience,
  result: ListResult,
): readonly LabelledKernel[] {
  return wanted.filter(({ label }) => {
    const own = faults.filter((fault) => fault.label === label);
    const fault = own[0] ?? faults[0] ?? { kind: "missing", message: `${label} is missing` };
    const isMissing = own.every(({ kind }) => kind === "missing");
    const count = (strikes.get(label) ?? 0) + (isMissing && progress ? 0 : 1);
    strikes.set(label, count);
    if (count < mostStrikes && !isLast) return true;
    result.failures.set(label, { kind: fault.kind, message: fault.message });
    return false;
  });
}

function fail(wanted: readonly LabelledKernel[], why: Omit<AnswerFault, "label">, { failures }: ListResult): void {
  for (const { label } of wanted) failures.set(label, why);
}

async function unanswered(
  asker: ListAsker,
  { fault, message }: GenerationFailure,
  wanted: readonly LabelledKernel[],
  sample: number,
  result: ListResult,
): Promise<void> {
  if (fault === "key" || fault === "model") throw new KernelcastError("model", `${asker.model.name}: ${message}`);
  const kind = message === unansweredMessage ? "unanswered" : fault;
  result.faults.push(kind);
  if ((fault === "context" || fault === "cut") && wanted.length > 1) {
    const half = Math.ceil(wanted.length / 2);
    const [first, second] = [wanted.slice(0, half), wanted.slice(half)];
    await askPart(asker, first, sample, result);
    // Where answers break off whatever their length, asking for the rest would only cost.
    const isHopeless = fault === "cut" && first.every(({ label }) => !result.readings.has(label));
    if (!isHopeless) return askPart(asker, second, sample, result);
    return fail(second, { kind, message }, result);
  }
  fail(wanted, { kind, message }, result);
}
