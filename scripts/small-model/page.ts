import type { MeanScore } from "../../src/evaluate/score-tasks.ts";
import type { ScoreName } from "../../src/evaluate/score-task.ts";
import { interval, markdownTable } from "../markdown.ts";
import type { CallTally } from "./ask-in-lanes.ts";

type Scores = Readonly<Record<ScoreName, MeanScore>>;

export interface FormResult {
  readonly form: string;
  readonly tasks: number;
  readonly kernels: number;
  readonly answered: number;
  /** Kernels without a forecast, by fault. */
  readonly failures: Readonly<Record<string, number>>;
  /** What was wrong with answers on the way, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly calls: CallTally;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly scores: Scores;
}

export interface ModelResult {
  readonly name: string;
  readonly model: string;
  readonly machine: { readonly processor: string; readonly jobs: number };
  readonly list: number;
  readonly samples: number;
  readonly forms: readonly FormResult[];
}

export interface SmallModelDocument {
  readonly command: string;
  readonly recording: string;
  readonly device: string;
  readonly tasks: number;
  readonly models: readonly ModelResult[];
  readonly beside: readonly { readonly label: string; readonly scores: Scores }[];
}

const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["AUROC of p_ok", "auroc of p_ok"],
  ["CRPS", "crps"],
  ["covers 80 %", "coverage 80"],
];

export function page({ command, recording, device, tasks, models, beside }: SmallModelDocument): string {
  return `${[
    "# Every form of asking, answered by a small model",
    `Written by \`${command}\`; do not edit. The same kernels for every form: of ${tasks} tasks of \`${recording}\`, split test, on ${device}, at the start of a search (one measured kernel, the seed), with compile evidence; kernels that do not compile are left out, as it tells of them. A kernel without a forecast is scored as the constant prior. Means over tasks with the 95 % interval of a bootstrap over tasks. The model's licence is Apache-2.0; the packages that it is fetched from state none.`,
    ...models.flatMap(section),
    "## Beside them",
    table(beside.map(({ label, scores }) => [label, scores])),
  ].join("\n\n")}\n`;
}

function section({ name, model, machine, list, samples, forms }: ModelResult): string[] {
  const kernels = forms[0]?.kernels ?? 0;
  return [
    `## ${name}: ${kernels} kernels`,
    `Through \`${model}\` on ${machine.processor}, ${machine.jobs} prompts at once; lists of at most ${list}, ${samples} samples.`,
    markdownTable(
      ["form", "asked", "answered", "without a forecast, by fault", "faults of answers", "repairs", ...costColumns],
      forms.map((form) => [
        form.form,
        form.kernels,
        form.answered,
        counts(form.failures),
        counts(form.faults),
        form.calls.repairs,
        ...costs(form),
      ]),
    ),
    "*Read*: tokens that the model did not remember from the prompt before. Calls answered from kept answers count no tokens and no time.",
    table(forms.map(({ form, scores }) => [form, scores])),
  ];
}

const costColumns = ["calls", "of these kept", "tokens a kernel", "of these read", "written", "s", "CPU s"];

function costs({ calls, kernels, seconds, cpuSeconds }: FormResult): (string | number)[] {
  const each = (tokens: number): string => (tokens / Math.max(1, kernels)).toFixed(0);
  const { sent, kept, inputTokens, cachedInputTokens, outputTokens } = calls;
  return [
    sent + kept,
    kept,
    each(inputTokens + outputTokens),
    each(inputTokens - cachedInputTokens),
    each(outputTokens),
    seconds.toFixed(0),
    cpuSeconds.toFixed(0),
  ];
}

function table(rows: readonly (readonly [string, Scores])[]): string {
  return markdownTable(
    ["", ...columns.map(([title]) => title)],
    rows.map(([label, scores]) => [label, ...columns.map(([, name]) => interval(scores[name]))]),
  );
}

function counts(of: Readonly<Record<string, number>>): string {
  const told = Object.entries(of).map(([kind, count]) => `${kind} ${count}`);
  return told.length === 0 ? "–" : told.join(", ");
}
