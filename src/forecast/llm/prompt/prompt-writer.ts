import {
  keyedShuffle,
  type Anchor,
  type Evidence,
  type ForecastRequest,
  type GenerateRequest,
  type Kernel,
  type LanguageModelAbilities,
} from "../../../domain/index.ts";
import type { AnswerFault, Scale } from "../form.ts";
import type { LlmSettings } from "../options.ts";
import { contextOf, estimateTokens, planLists } from "../plan-lists.ts";
import { describeEvidence, describeLaunches, sourceChanges } from "./describe-kernel.ts";
import { describeDevice, describeTask } from "./describe-task.ts";
import { chooseFenceKey, fenced } from "./fence.ts";
import { systemText } from "./system-text.ts";

/** A candidate by the neutral name that the model knows it by. */
export interface LabelledKernel {
  readonly label: string;
  readonly kernel: Kernel;
}

type Listed = LabelledKernel & { readonly text: string };

/** Changes longer than this share of the source are harder to read than the source. */
const changesShare = 0.4;

/** The share of the context that measured kernels may take. */
const anchorShare = 0.4;

/** Writes the prompts of one request. A function of the request, the settings and what the model can. */
export class PromptWriter {
  readonly scale: Scale | undefined;
  readonly lists: readonly (readonly LabelledKernel[])[];
  private readonly settings: LlmSettings;
  private readonly abilities: LanguageModelAbilities;
  private readonly system: string;
  private readonly shared: string;
  private readonly texts: ReadonlyMap<string, string>;

  constructor(request: ForecastRequest, settings: LlmSettings, abilities: LanguageModelAbilities) {
    const { task, device, anchors, evidence } = request;
    const { seed, form } = settings;
    this.settings = settings;
    this.abilities = abilities;
    this.system = systemText(form);
    const candidates = labelled(request, seed);
    const key = chooseFenceKey(textsOf(request), seed, task.taskId);
    const head = [
      `The marks' key of this prompt is ${key}.`,
      describeTask(task),
      fenced(key, "reference (Python, NumPy)", task.reference),
      describeDevice(device),
    ].join("\n\n");
    const anchorTexts = anchors.map((anchor, index) => anchorText(anchor, `M${index + 1}`, key, task.workload.sizes));
    const shown = fitting(anchorTexts, settings.anchors, anchorShare * contextOf(abilities));
    this.shared = [head, "# Measured kernels", ...shown].join("\n\n");
    const [first] = anchors;
    this.scale = first && { label: "M1", log2Us: Math.log2(first.measurement.runtime.medianUs) };
    const bases = anchors.slice(0, shown.length);
    const full = candidates.map((one) => this.listed(one, key, request, evidence, undefined));
    const changed = memo((index) => {
      const one = candidates[index] as LabelledKernel;
      const { text } = this.listed(one, key, request, evidence, nearest(one.kernel, bases));
      return text.length <= changesShare * (full[index] as Listed).text.length ? text : undefined;
    });
    const plan = planLists(
      {
        shared: estimateTokens(this.system) + estimateTokens(this.shared),
        full: full.map(({ text }) => estimateTokens(text)),
        changes: (index) => tokensOf(changed(index)),
        answer: (count) => form.answerTokens(count) + this.thinking(),
      },
      abilities,
      { ...settings, list: form.listwise ? settings.list : 1 },
    );
    this.texts = new Map(
      full.map(({ label, text }, index) => [label, (plan.asChanges[index] ? changed(index) : undefined) ?? text]),
    );
    this.lists = plan.lists.map((indices) => indices.map((index) => candidates[index] as LabelledKernel));
  }

  /** The prompt for some candidates; `faults` of an earlier answer are told. */
  write(kernels: readonly LabelledKernel[], sample: number, faults: readonly AnswerFault[] = []): GenerateRequest {
    const { form, seed } = this.settings;
    const labels = kernels.map(({ label }) => label);
    const wrong = faults.length > 0 ? [repairText(faults)] : [];
    const texts = labels.map((label) => this.texts.get(label) ?? "");
    const prompt = [this.shared, "# Kernels to forecast", ...texts, ...wrong, form.ask(labels, this.scale)].join(
      "\n\n",
    );
    const schema = this.abilities.schemas ? form.schema(labels) : undefined;
    const { logprobs = 0 } = form;
    return {
      purpose: wrong.length > 0 ? "forecast-repair" : "forecast",
      system: this.system,
      prompt,
      maxTokens: this.answerLimit(prompt, labels.length),
      ...(schema ? { schema } : {}),
      ...(form.temperature === undefined ? {} : { temperature: form.temperature }),
      ...(form.samples > 1 ? { seed: seed * 1000 + sample } : {}),
      ...(logprobs > 0 ? { logprobs: Math.min(logprobs, this.abilities.logprobs) } : {}),
    };
  }

  /** Thinking takes no more than a quarter of a short context. */
  private thinking(): number {
    const { form, thinkingTokens } = this.settings;
    return form.thinks ? Math.min(thinkingTokens, Math.floor(contextOf(this.abilities) / 4)) : 0;
  }

  private answerLimit(prompt: string, count: number): number {
    const { form } = this.settings;
    const answer = form.answerTokens(count);
    const wanted = answer + this.thinking();
    const room = contextOf(this.abilities) - estimateTokens(this.system) - estimateTokens(prompt);
    return Math.max(answer, Math.min(wanted, room));
  }

  private listed(
    { label, kernel }: LabelledKernel,
    key: string,
    { task }: ForecastRequest,
    evidence: ForecastRequest["evidence"],
    base: Base | undefined,
  ): Listed {
    const title = base ? `${label}, as changes to ${base.label}` : label;
    const launches = describeLaunches(kernel, task.workload.sizes);
    const body = base ? base.changes || "(the source is the same)" : kernel.source;
    const text = withEvidence(fenced(key, title, `${launches}\n\n${body}`), evidence?.get(kernel.kernelId));
    return { label, kernel, text };
  }
}

/** In an order of the key, not of who proposed what when. */
function labelled({ task, candidates }: ForecastRequest, seed: number): LabelledKernel[] {
  const unique = [...new Map(candidates.map((kernel) => [kernel.kernelId, kernel])).values()];
  const sorted = unique.sort((a, b) => (a.kernelId < b.kernelId ? -1 : 1));
  const digits = Math.max(2, String(sorted.length).length);
  return keyedShuffle(sorted, seed, "prompt-order", task.taskId).map((kernel, index) => ({
    label: `K${String(index + 1).padStart(digits, "0")}`,
    kernel,
  }));
}

function textsOf({ task, anchors, candidates }: ForecastRequest): string[] {
  const kernels = [...anchors.map(({ kernel }) => kernel), ...candidates];
  return [
    task.reference,
    ...kernels.map((kernel) => JSON.stringify([kernel.source, kernel.launches, kernel.compileOptions])),
  ];
}

function anchorText(
  { kernel, measurement }: Anchor,
  label: string,
  key: string,
  sizes: Readonly<Record<string, number>>,
): string {
  const us = Number(measurement.runtime.medianUs.toPrecision(4));
  const body = `${describeLaunches(kernel, sizes)}\n\n${kernel.source}`;
  return withEvidence(`${label} takes ${us} µs:\n${fenced(key, label, body)}`, measurement.evidence);
}

function withEvidence(text: string, evidence: Evidence | undefined): string {
  const told = evidence && describeEvidence(evidence);
  return told === undefined ? text : `${text}\n${told}`;
}

/** The first texts, at least one, that fit. */
function fitting(texts: readonly string[], most: number, tokens: number): string[] {
  let sum = 0;
  return texts.slice(0, most).filter((text, index) => {
    sum += estimateTokens(text);
    return index === 0 || sum <= tokens;
  });
}

function memo<T>(make: (index: number) => T): (index: number) => T {
  const made = new Map<number, { readonly value: T }>();
  return (index) => {
    const one = made.get(index) ?? { value: make(index) };
    made.set(index, one);
    return one.value;
  };
}

function tokensOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : estimateTokens(text);
}

interface Base {
  readonly label: string;
  readonly changes: string;
}

/** The measured kernel that a source has least changes to. */
function nearest({ source }: Kernel, anchors: readonly Anchor[]): Base | undefined {
  const all = anchors.map(({ kernel }, index) => ({
    label: `M${index + 1}`,
    changes: sourceChanges(kernel.source, source),
  }));
  return all.sort((a, b) => a.changes.length - b.changes.length)[0];
}

/** Faults of a kind that are told one by one. */
const toldFaults = 12;

function repairText(faults: readonly AnswerFault[]): string {
  const told = [...new Set(faults.map(({ message }) => message))].slice(0, toldFaults);
  return `An earlier answer to this could not be used: ${told.join("; ")}. Answer anew, just as asked.`;
}
