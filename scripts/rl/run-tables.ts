/** What was trained, how fast, and what it cost, from the trainer's events and configurations. */
import { basename } from "node:path";
import { mean, median } from "../../src/domain/index.ts";
import { markdownTable } from "../markdown.ts";
import type { StudyArm, FinishedRun } from "./study.ts";

/** An arm with those of its runs that are there. */
export interface FoundArm extends StudyArm {
  readonly found: readonly FinishedRun[];
}

/** How each arm was trained. */
export function trainingTable(arms: readonly FoundArm[]): string {
  return markdownTable(
    [
      "arm",
      "trained by",
      "from",
      "runs",
      "families of train",
      "prompts of train",
      "steps",
      "prompts a step",
      "answers a prompt",
      "rate",
      "KL weight",
      "weights trained",
      "answers a second",
      "GPU memory, GiB",
    ],
    arms.map(trainingRow),
  );
}

function trainingRow({ label, from, found, kind }: FoundArm): (string | number)[] {
  const [first] = found;
  if (!first) return [];
  if (first.log.steps.length === 0) return [label, "–", from ?? "–", found.length, ...Array<string>(10).fill("–")];
  const { config, log } = first;
  const reinforced = kind === "rl" ? config.rl : undefined;
  return [
    label,
    trainedBy(first),
    from ?? (config.model ? basename(config.model.base) : "–"),
    found.length,
    familiesOf(first),
    text(log.prompts),
    text(log.steps.at(-1)?.step),
    text(config.prompts_per_step),
    text(reinforced?.group),
    text(config.learning_rate),
    text(reinforced?.kl),
    log.start ? `${(log.start.trained / 1e6).toFixed(1)} M` : "–",
    ...speedOf(found),
  ];
}

/** Answers a second, the runs' median, and the most memory. */
function speedOf(found: readonly FinishedRun[]): string[] {
  const rates = found.flatMap(({ log }) => log.rolloutsPerSecond ?? []);
  const memory = found.flatMap(({ log }) => log.memoryGib ?? []);
  return [text(median(rates)?.toFixed(1)), text(most(memory)?.toFixed(1))];
}

function familiesOf({ config: { families } }: FinishedRun): string {
  const { folds = 1, take = [] } = families ?? {};
  return folds === 1 ? "all" : `${take.map((fold) => fold + 1).join(" and ")} of ${folds} parts`;
}

function text(value: string | number | undefined): string {
  return value === undefined ? "–" : String(value);
}

function most(values: readonly number[]): number | undefined {
  return values.length > 0 ? Math.max(...values) : undefined;
}

function trainedBy({ log, config }: FinishedRun): string {
  const { reward = "not told", credit } = config.rl ?? {};
  if (log.start?.kind === "rl") return `GRPO, reward ${reward}${credit ? `, credit by ${credit}` : ""}`;
  return log.start?.kind === "proper" ? `proper score, ${config.sft?.loss ?? "not told"}` : "likelihood";
}

/** GPU-minutes of every arm, training and the answers that it was judged by. */
export function costTable(arms: readonly FoundArm[]): string {
  return markdownTable(
    [
      "arm",
      "runs",
      "GPU-minutes of training, each run",
      "all runs",
      "one run with what it started from",
      "GPU-minutes of answering, all runs",
      "times started, each run",
      "finished",
    ],
    arms.map(({ label, found }) => {
      const trained = found.map(({ log }) => log.trainingDeviceSeconds / 60);
      return [
        label,
        found.length,
        trained.map((one) => one.toFixed(1)).join(", "),
        sum(trained).toFixed(1),
        minutesWithStart(arms, label).toFixed(1),
        sum(found.map(({ log }) => log.evaluationSeconds / 60)).toFixed(1),
        found.map(({ log }) => log.starts).join(", "),
        found.every(({ log }) => log.isDone || log.steps.length === 0) ? "all" : notDone(found),
      ];
    }),
  );
}

/** Mean training of an arm's runs, and of the arms before it. */
function minutesWithStart(arms: readonly FoundArm[], label: string): number {
  const arm = arms.find((one) => one.label === label);
  if (!arm) return 0;
  const own = mean(arm.found.map(({ log }) => log.trainingDeviceSeconds / 60)) ?? 0;
  return own + (arm.from === undefined ? 0 : minutesWithStart(arms, arm.from));
}

function notDone(found: readonly FinishedRun[]): string {
  return found
    .filter(({ log }) => !log.isDone && log.steps.length > 0)
    .map(({ name, log }) => `${name} stands at step ${log.steps.at(-1)?.step}`)
    .join(", ");
}

/** What the trainer said of its own judgements of split test: kernels asked and share unread, arm by arm. */
export function unreadTable(arms: readonly FoundArm[]): string | undefined {
  const rows = arms.flatMap(({ label, found }) => {
    const judged = found.flatMap(({ log }) =>
      log.evaluations.filter(({ split, file }) => split === "test" && !isPools(file)),
    );
    if (judged.length === 0) return [];
    const unread = mean(judged.flatMap((one) => one.unread ?? []));
    return [[label, judged.map(({ kernels }) => kernels).join(", "), unread === undefined ? "–" : percent(unread)]];
  });
  return rows.length === 0 ? undefined : markdownTable(["arm", "kernels asked", "unread"], rows);
}

function isPools(file: unknown): boolean {
  return typeof file === "string" && file.includes("pools");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
