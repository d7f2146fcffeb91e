/** What `kernelcast bench search --json` printed, as a table of arms. */
import { markdownTable } from "../markdown.ts";

interface Interval {
  readonly ci: readonly [number, number];
}

interface ArmResult {
  readonly best_vs_measure_all: Interval & { readonly geomean: number };
  readonly oracle_share: Interval & { readonly value: number };
  readonly measurements_to_within_5pct: Interval & {
    readonly mean: number;
    readonly reached: number;
    readonly times_fewer: Interval & { readonly value: number };
  };
  readonly considered_per_measured: number;
  readonly worse_tasks: readonly string[];
  readonly tokens: number;
}

export interface SearchesDocument {
  readonly recording: string;
  readonly device: string;
  readonly measurements: number;
  readonly seeds: number;
  readonly tasks: number;
  readonly kernels: number;
  readonly arms: Readonly<Record<string, ArmResult>>;
  readonly by_task: readonly { readonly task: string }[];
}

/** A row of each arm, called by its name unless `nameOf` knows better. */
export function armsTable(
  { measurements, arms }: SearchesDocument,
  nameOf: (arm: string) => string = (arm) => `\`${arm}\``,
): string {
  return markdownTable(
    [
      "arm",
      `best after ${measurements}, × measure-all`,
      "share of the oracle's log gain",
      "measurements to within 5 %",
      "times fewer",
      "came so far",
      "tasks worse",
      "tokens a search",
    ],
    Object.entries(arms).map(([name, arm]) => [
      nameOf(name),
      withInterval(arm.best_vs_measure_all.geomean, arm.best_vs_measure_all, 3),
      withInterval(arm.oracle_share.value, arm.oracle_share, 2),
      withInterval(arm.measurements_to_within_5pct.mean, arm.measurements_to_within_5pct, 1),
      withInterval(arm.measurements_to_within_5pct.times_fewer.value, arm.measurements_to_within_5pct.times_fewer, 2),
      `${(100 * arm.measurements_to_within_5pct.reached).toFixed(0)} %`,
      arm.worse_tasks.length === 0 ? "none" : arm.worse_tasks.join(", "),
      String(Math.round(arm.tokens)),
    ]),
  );
}

/** What a reader of the table must know of its upper end. */
export const oracleNote: string =
  "The oracle is the gate with the recorded truth for forecasts. It measures up to four kernels at once and looks for what is best on offer, so that its share can be passed by luck.";

function withInterval(value: number, { ci: [low, high] }: Interval, digits: number): string {
  return `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
