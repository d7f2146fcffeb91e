/**
 * `npm run results:frontier-searches`: writes what `kernelcast bench search --json` printed with recorded forecasts of a frontier model
 * (docs/results/search/frontier.json) into docs/results/search.md.
 */
import { readFile, writeFile } from "node:fs/promises";
import { markdownTable, replaceBetween } from "./markdown.ts";

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

interface Document {
  readonly recording: string;
  readonly device: string;
  readonly measurements: number;
  readonly seeds: number;
  readonly tasks: number;
  readonly kernels: number;
  readonly arms: Readonly<Record<string, ArmResult>>;
  readonly by_task: readonly { readonly task: string }[];
}

const source = "docs/results/search/frontier.json";
const page = "docs/results/search.md";
const document = JSON.parse(await readFile(source, "utf8")) as Document;
await writeFile(page, replaceBetween(await readFile(page, "utf8"), "frontier", section(document)));

function section({ recording, device, measurements, seeds, tasks, kernels, arms, by_task: byTask }: Document): string {
  const taskIds = byTask.map(({ task }) => task).join(",");
  return [
    `Six tasks whose every kernel a frontier language model forecast by reading alone, before anything but the seed kernel was measured and without compile evidence ([how](../../atlas/forecasts/claude-pools/README.md)): ${tasks} tasks, ${kernels} kernels measured on ${device}; ${seeds} seeds, ${measurements} measurements. \`recorded:…\` is the policy of ours with those forecasts as they stand; \`gate:adapt:recorded:…\` learns from the run besides.`,
    markdownTable(
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
        `\`${name}\``,
        withInterval(arm.best_vs_measure_all.geomean, arm.best_vs_measure_all, 3),
        withInterval(arm.oracle_share.value, arm.oracle_share, 2),
        withInterval(arm.measurements_to_within_5pct.mean, arm.measurements_to_within_5pct, 1),
        withInterval(arm.measurements_to_within_5pct.times_fewer.value, arm.measurements_to_within_5pct.times_fewer, 2),
        `${(100 * arm.measurements_to_within_5pct.reached).toFixed(0)} %`,
        arm.worse_tasks.length === 0 ? "none" : arm.worse_tasks.join(", "),
        String(Math.round(arm.tokens)),
      ]),
    ),
    "The oracle is the gate with the recorded truth for forecasts. It measures up to four kernels at once and looks for what is best on offer, so that its share can be passed by luck.",
    `\`\`\`sh\nnpx kernelcast bench search --recording ${recording} --tasks ${taskIds} --arms ${Object.keys(arms).join(",")} --seeds ${seeds} --measurements ${measurements} --json > ${source}\nnpm run results:frontier-searches\n\`\`\``,
  ].join("\n\n");
}

function withInterval(value: number, { ci: [low, high] }: Interval, digits: number): string {
  return `${value.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}
