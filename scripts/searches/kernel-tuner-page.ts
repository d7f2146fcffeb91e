import type { ArmResult, Comparison, Figure } from "../../bench/kernel-tuner/compare.ts";
import { markdownTable } from "../markdown.ts";

const shares = ["10%", "5%", "1%"] as const;
/** Arms told of by space: of each side. */
const toldBySpace = 6;

/** The spaces of kernels on which nothing was chosen. */
export interface HeldOut {
  readonly chosenOn: string;
  readonly spaces: number;
  readonly best: Comparison["best"];
}

/** Both sides' searches over Kernel Tuner's spaces, as Markdown. */
export function kernelTunerPage(comparison: Comparison, heldOut: HeldOut, note = ""): string {
  const { arms, spaces, limit } = comparison;
  const ranked = Object.entries(arms).toSorted(([, a], [, b]) => needed(a) - needed(b));
  const told = [...ofSide(ranked, "kernelcast"), ...ofSide(ranked, "kernel-tuner")];
  return (
    [
      "# Kernel Tuner's strategies and kernelcast, on spaces measured by others",
      headline(comparison.best),
      `Cache files of the [FAIR benchmark hub](https://github.com/AutoTuningAssociation/benchmark_hub) (MIT): ${Object.keys(spaces).length} spaces, Kernel Tuner ${comparison.kernel_tuner ?? "–"} with its defaults, at most ${limit} measurements a run. Rules, and what each side sees: [bench/kernel-tuner](../../bench/kernel-tuner/README.md). Made by:`,
      "```sh\npython3 -m venv /tmp/tuner && /tmp/tuner/bin/pip install -r bench/kernel-tuner/requirements.txt\nnpm run results:kernel-tuner -- hub --python /tmp/tuner/bin/python\n```",
      `\`learn/measure-all\` is \`kernelcast search --proposer tunables:learn --policy measure-all\`. It saw no measurement of these kernels from any GPU. Its few constants were chosen on the spaces of \`${heldOut.chosenOn}\` ([decision 15](../decisions/0015-learning-a-space.md)). On the other ${heldOut.spaces} alone, on which no run was made before they stood:`,
      headline(heldOut.best),
      "## Measurements and seconds to within a share of the optimum",
      "Means restricted to the limit, geometric over the spaces, with 95 % intervals by drawing runs anew; seconds of compiling, checking and timing as the files have them.",
      markdownTable(
        ["search", "by", ...shares.map((share) => `to ${share}`), "seconds to 5%", "runs"],
        ranked.map(([name, arm]) => armRow(name, arm)),
      ),
      faults(ranked),
      ...(note === "" ? [] : [note]),
      "## By space: measurements to within 5 %",
      markdownTable(
        ["space", "configurations", "failing", "within 5 %", ...told.map(([name]) => name)],
        Object.entries(spaces).map(([space, facts]) => [
          space,
          facts.configurations,
          facts.failed,
          facts.within["5%"] ?? 0,
          ...told.map(([, arm]) => figure(arm.spaces[space]?.within["5%"]?.measurements)),
        ]),
      ),
      "",
    ]
      .join("\n\n")
      .trimEnd() + "\n"
  );
}

function headline(best: Comparison["best"]): string {
  const lines = shares.flatMap((share) => {
    const pair = best[share];
    if (!pair) return [];
    const more = `${figure(pair.measurements)} times as many measurements and ${figure(pair.seconds)} times as many seconds`;
    return [
      `- to within ${share}: Kernel Tuner's best single strategy, \`${pair.kernel_tuner}\`, needs ${more} as \`${pair.kernelcast}\``,
    ];
  });
  return lines.length > 0 ? lines.join("\n") : "- no arm of either side ran on all of them";
}

function needed({ over_spaces: over }: ArmResult): number {
  return over?.["5%"]?.measurements.mean ?? Number.POSITIVE_INFINITY;
}

function ofSide(
  ranked: readonly (readonly [string, ArmResult])[],
  by: ArmResult["by"],
): readonly (readonly [string, ArmResult])[] {
  return ranked.filter(([, arm]) => arm.by === by && arm.over_spaces).slice(0, toldBySpace);
}

function armRow(name: string, { by, over_spaces: over, spaces }: ArmResult): (string | number)[] {
  const runs = Object.values(spaces).reduce((sum, score) => sum + score.runs, 0);
  return [
    `\`${name}\``,
    by,
    ...shares.map((share) => figure(over?.[share]?.measurements)),
    figure(over?.["5%"]?.seconds),
    runs,
  ];
}

function faults(ranked: readonly (readonly [string, ArmResult])[]): string {
  const lines = ranked.flatMap(([name, { fault, over_spaces: over, spaces }]) => {
    if (fault !== undefined) return [`- \`${name}\` did not run: ${fault}`];
    return over ? [] : [`- \`${name}\` ran on ${Object.keys(spaces).length} spaces only and has no mean over them`];
  });
  return lines.length > 0 ? lines.join("\n") : "All ran on all spaces.";
}

function figure(value: Figure | undefined): string {
  return value ? `${value.mean} (${value.ci[0]} to ${value.ci[1]})` : "–";
}
