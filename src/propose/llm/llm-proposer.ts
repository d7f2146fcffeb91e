import {
  integerDefines,
  KernelcastError,
  keyedUniform,
  kernelFaults,
  makeKernel,
  type Candidate,
  type ForecastCost,
  type GenerateOutcome,
  type GenerateRequest,
  type LanguageModel,
  type ProposalFailure,
  type ProposeContext,
  type Proposal,
  type Proposer,
} from "../../domain/index.ts";
import { answerSchema, readAnswer, type ProposalAnswer } from "./answer.ts";
import { chooseOperator, type Operator } from "./operators.ts";
import { proposalPrompt, repairPrompt, systemPrompt } from "./prompt.ts";

export interface LlmProposerOptions {
  /** Default 0.8: equal prompts should not give equal kernels. */
  readonly temperature?: number;
  /** Most tokens of an answer (default 16 000). */
  readonly maxTokens?: number;
}

/** Most calls of one asking; a search asks for a batch, far below it. */
const mostAtOnce = 256;
const defaults = { temperature: 0.8, maxTokens: 16_000 } as const;
/** Characters of source in a token, on the safe side. */
const charactersPerToken = 3;

/**
 * Proposes kernels that a language model writes. Each proposal is one call: an operator that the key (seed, parent, k) draws, the
 * parent with its measurement, what the run has learnt. An answer that does not fit the task goes back once with its faults; what
 * then cannot be used, and a call that gave no answer, is a failure of the proposal. Rejects with `KernelcastError("model", …)` when
 * no call of a batch came through for want of a key, the model or a connection.
 */
export function createLlmProposer(model: LanguageModel, options: LlmProposerOptions = {}): Proposer {
  const settings = { ...defaults, ...options };
  return {
    name: model.name,
    learns: true,
    async propose(context, signal) {
      signal?.throwIfAborted();
      const count = Math.min(context.count, mostAtOnce);
      const asked = Array.from({ length: count }, (_, place) => proposeOne(model, settings, context, place, signal));
      return gather(model, await Promise.all(asked));
    },
    ...(model.close ? { close: () => model.close?.() ?? Promise.resolve() } : {}),
  };
}

interface Attempt {
  readonly candidate?: Candidate;
  readonly failure?: ProposalFailure;
  readonly cost: ForecastCost;
}

/** Faults of a call after which every other one fails, too. */
const unusable: ReadonlySet<string> = new Set(["key", "model", "unreachable"]);

function gather(model: LanguageModel, attempts: readonly Attempt[]): Proposal {
  const failures = attempts.flatMap(({ failure }) => failure ?? []);
  const [first] = failures;
  if (first && failures.length === attempts.length && failures.every(({ fault }) => unusable.has(fault)))
    throw new KernelcastError("model", `${model.name}: ${first.message}`);
  const total = (key: "tokens" | "usd"): number => attempts.reduce((sum, { cost }) => sum + cost[key], 0);
  return {
    candidates: attempts.flatMap(({ candidate }) => candidate ?? []),
    exhausted: failures.some(({ fault }) => fault === "budget"),
    cost: { cpuSeconds: 0, tokens: total("tokens"), usd: total("usd") },
    ...(failures.length > 0 ? { failures } : {}),
  };
}

async function proposeOne(
  model: LanguageModel,
  settings: Required<LlmProposerOptions>,
  context: ProposeContext,
  place: number,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const index = context.firstIndex + place;
  const operator = chooseOperator(context, index);
  const request = makeRequest(model, settings, context, operator, place);
  const outcomes = [await model.generate(request, signal)];
  let judged = judge(context, operator, outcomes[0] as GenerateOutcome);
  if (judged.faults && outcomes[0]?.kind === "text") {
    const prompt = repairPrompt(request.prompt, outcomes[0].text, judged.faults);
    const repaired = await model.generate({ ...request, purpose: "propose-repair", prompt }, signal);
    outcomes.push(repaired);
    judged = judge(context, operator, repaired);
  }
  const cost = costOf(outcomes);
  if (judged.candidate) return { candidate: judged.candidate, cost };
  const { fault = "invalid", faults = [] } = judged;
  return { failure: { index, operator: operator.name, fault, message: faults.join("; ") }, cost };
}

function makeRequest(
  { abilities }: LanguageModel,
  { temperature, maxTokens }: Required<LlmProposerOptions>,
  context: ProposeContext,
  operator: Operator,
  place: number,
): GenerateRequest {
  const { contextTokens = Number.POSITIVE_INFINITY, schemas } = abilities;
  const answerTokens = Math.min(maxTokens, Math.floor(contextTokens / 2));
  const system = systemPrompt(schemas);
  const longest = (contextTokens - answerTokens) * charactersPerToken - system.length;
  const { seed, parent, firstIndex, duplicates = [] } = context;
  const draw = keyedUniform(seed, "propose-call", parent.kernel.kernelId, firstIndex + place);
  return {
    purpose: "propose",
    system,
    prompt: proposalPrompt(context, operator, duplicates[place], longest),
    ...(schemas ? { schema: answerSchema } : {}),
    maxTokens: answerTokens,
    temperature,
    seed: Math.floor(draw * 2 ** 31),
  };
}

interface Judged {
  readonly candidate?: Candidate;
  /** Why there is none; `fault` in one word, where it is not the answer's content. */
  readonly faults?: readonly string[];
  readonly fault?: string;
}

function judge(context: ProposeContext, operator: Operator, outcome: GenerateOutcome): Judged {
  if (outcome.kind === "failed") return { fault: outcome.fault, faults: [outcome.message] };
  const read = readAnswer(outcome.text);
  if (!read.ok) return { fault: "unreadable", faults: [read.fault] };
  const { source, launches, idea } = read.answer;
  const { task, parent } = context;
  const { compileOptions } = (operator.failed ?? parent).kernel;
  const parts = { source, launches, compileOptions };
  const faults = kernelFaults(task, parts);
  if (faults.length > 0) return { fault: "invalid", faults };
  const kernel = makeKernel(parts, { ...integerDefines(compileOptions), ...task.workload.sizes });
  return { candidate: { kernel, parentId: parent.kernel.kernelId, ...ideaOf(operator, idea), origin: "llm" } };
}

function ideaOf(operator: Operator, idea: ProposalAnswer["idea"]): Pick<Candidate, "idea"> {
  return { idea: idea === "" ? operator.name : `${operator.name}: ${idea}` };
}

function costOf(outcomes: readonly GenerateOutcome[]): ForecastCost {
  const paid = outcomes.filter((outcome) => outcome.kind === "failed" || !outcome.kept);
  return {
    cpuSeconds: 0,
    tokens: paid.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0),
    usd: paid.reduce((sum, { usd }) => sum + (usd ?? 0), 0),
  };
}
