import type { AnatomyStep } from "../evaluate/searches/gap-anatomy.ts";
import { leastNeeds, near, type ArmScore, type Figure } from "../evaluate/searches/score-searches.ts";
import type { SearchResults } from "../evaluate/searches/search-results.ts";
import type { BenchSetting } from "../serve/bench/bench-search.ts";
import { table } from "./table.ts";

/** The answer for people: a table of the arms, what was lost and won, and where the gap comes from. */
export function benchSearchLines(
  results: SearchResults,
  scores: readonly ArmScore[],
  anatomy: readonly AnatomyStep[],
  { recording, split, device }: BenchSetting,
): string[] {
  const { tasks, seeds, measurements } = results;
  const kernels = tasks.reduce((sum, task) => sum + task.kernels, 0);
  const hard = scores[0]?.toWithin.tasks ?? 0;
  return [
    `${recording}, split ${split}: ${count(tasks.length, "task")}, ${count(kernels, "kernel")}; ${device}; ${count(seeds, "seed")}, ${count(measurements, "measurement")} a search`,
    "",
    ...table([
      [
        "",
        "best × measure-all",
        "of oracle's gain",
        `to within ${100 * near} %`,
        "times fewer",
        "considered",
        "w/t/l",
        "GPU s",
        "USD",
      ],
      ...scores.map(armRow),
    ]),
    `Considered: different kernels for each one measured. To within ${100 * near} %: measurements, ${measurements} where a search never came so far, on the ${count(hard, "task")} where random order needs at least ${leastNeeds}. Won, tied and lost tasks: against measure-all.`,
    ...lossLines(scores),
    ...anatomyLines(anatomy),
  ];
}

function armRow(score: ArmScore): string[] {
  const verdicts = ["win", "tie", "loss"].map((one) => score.byTask.filter(({ verdict }) => verdict === one).length);
  return [
    score.arm,
    withInterval(score.bestVsMeasureAll, 3),
    withInterval(score.oracleShare, 2),
    withInterval(score.toWithin.mean, 1),
    withInterval(score.toWithin.fewer, 2),
    plain(score.consideredPerMeasured, 2),
    verdicts.join("/"),
    plain(score.gpuSeconds, 2),
    score.usd ? String(Number(score.usd.toPrecision(3))) : "0",
  ];
}

function lossLines(scores: readonly ArmScore[]): string[] {
  return scores.flatMap(({ arm, byTask }) => {
    const lost = byTask.filter(({ verdict }) => verdict === "loss");
    if (lost.length === 0) return [];
    const tasks = lost.map(({ taskId, ratio }) => `${taskId} (${ratio.toFixed(3)} ×)`);
    return [`${arm} is worse than measure-all on ${tasks.join(", ")}.`];
  });
}

function anatomyLines(anatomy: readonly AnatomyStep[]): string[] {
  if (anatomy.length === 0) return [];
  return [
    "",
    "Where the gap to the best kernel of the pool comes from:",
    ...table([
      ["", "best × measure-all", "of the pool's gain"],
      ...anatomy.map(({ what, bestVsMeasureAll, poolShare }) => [
        `  ${what}`,
        withInterval(bestVsMeasureAll, 3),
        plain(poolShare, 2),
      ]),
    ]),
  ];
}

function withInterval({ value, interval }: Figure, digits: number): string {
  if (value === undefined) return "–";
  const range = interval ? ` (${interval.low.toFixed(digits)} to ${interval.high.toFixed(digits)})` : "";
  return `${value.toFixed(digits)}${range}`;
}

function plain(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
