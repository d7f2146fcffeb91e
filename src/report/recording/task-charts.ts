/** Charts with a row per task. */
import * as Plot from "@observablehq/plot";
import { quantileSorted, type FailureStatus, type Split } from "../../domain/index.ts";
import { drawChart, times } from "./draw.ts";
import type { RecordingFigures, TaskFigures } from "./figures.ts";
import { colour, type Colour } from "./palette.ts";

const rowHeight = 17;
const marginLeft = 190;

const splitColours: Readonly<Record<Split | "none", Colour>> = {
  train: "blue",
  validation: "ochre",
  test: "vermilion",
  none: "grey",
};

function splitLegend(tasks: readonly TaskFigures[]): (readonly [string, Colour])[] {
  const present = new Set(tasks.map(({ split }) => split ?? "none"));
  return Object.entries(splitColours).filter(([split]) => present.has(split as Split));
}

function colourOf({ split }: { readonly split: Split | undefined }): string {
  return colour(splitColours[split ?? "none"]);
}

const binWidth = 0.2;

/** Numbers of values by bin, smoothed, as shares of the fullest bin. */
function density(values: readonly number[], bins: number): number[] {
  const counts = Array.from({ length: bins }, () => 0);
  const at = (index: number): number => counts[index] ?? 0;
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(value / binWidth));
    counts[bin] = at(bin) + 1;
  }
  const smooth = counts.map((count, index) => (at(index - 1) + 2 * count + at(index + 1)) / 4);
  const most = Math.max(...smooth);
  return smooth.map((count) => (most === 0 ? 0 : count / most));
}

/** How far the kernels of each task are above its best one. */
export function spreadChart({ tasks, device }: RecordingFigures): string {
  const rows = [...tasks]
    .filter(({ spread }) => spread.length > 0)
    .map((task) => ({ task, median: quantileSorted(task.spread, 0.5) ?? 0 }))
    .sort((a, b) => a.median - b.median);
  const outline = rows.flatMap(({ task }, row) => {
    const bins = Math.floor((task.spread.at(-1) ?? 0) / binWidth) + 2;
    const shares = density(task.spread, bins);
    const point = (x: number, share = 0) => ({ x, low: row - 0.46 * share, high: row + 0.46 * share, task });
    return [point(0, shares[0]), ...shares.map((share, bin) => point((bin + 0.5) * binWidth, share))];
  });
  const seeds = rows.flatMap(({ task }, row) => (task.seed === undefined ? [] : [{ x: task.seed, row }]));
  return drawChart({
    ariaLabel: "Distribution of log2 of runtime over the best runtime, a violin for each task",
    height: 90 + rowHeight * rows.length,
    marginLeft,
    legend: [...splitLegend(rows.map(({ task }) => task)), ["seed", "ink"]],
    x: { label: `runtime / the task's best on ${device} →`, grid: true, tickFormat: times },
    y: { domain: [rows.length - 0.5, -0.5], label: null, axis: null },
    marks: [
      rowNames(rows.map(({ task }) => task.taskId)),
      Plot.areaY(outline, {
        x: "x",
        y1: "low",
        y2: "high",
        z: (point: (typeof outline)[number]) => point.task.taskId,
        fill: (point: (typeof outline)[number]) => colourOf(point.task),
        curve: "monotone-x",
        title: (point: (typeof outline)[number]) => `${point.task.taskId}: ${point.task.spread.length} kernels`,
      }),
      Plot.ruleX(rows, {
        x: "median",
        y1: (_: unknown, row: number) => row - 0.4,
        y2: (_: unknown, row: number) => row + 0.4,
        stroke: colour("background"),
      }),
      Plot.dot(seeds, { x: "x", y: "row", r: 2.5, fill: colour("ink"), stroke: colour("background") }),
    ],
  });
}

function rowNames(names: readonly string[]): Plot.Markish {
  return Plot.axisY(
    names.map((_, index) => index),
    { anchor: "left", tickSize: 0, tickFormat: (_: unknown, index: number) => names[index] ?? "" },
  );
}

const statusColours: Readonly<Record<FailureStatus, Colour>> = {
  compile_error: "blue",
  launch_error: "ochre",
  incorrect: "vermilion",
  timeout: "purple",
  crashed: "grey",
  suspicious: "green",
};

/** What share of each task's kernels failed, and how. */
export function failureChart({ tasks, device }: RecordingFigures): string {
  const statuses = Object.keys(statusColours) as FailureStatus[];
  const share = (task: TaskFigures): number => total(task) / Math.max(1, task.measured);
  const rows = [...tasks].sort((a, b) => share(b) - share(a));
  const bars = rows.flatMap((task) =>
    statuses.map((status) => ({ task, status, share: (task.failures.get(status) ?? 0) / Math.max(1, task.measured) })),
  );
  const present = statuses.filter((status) => tasks.some(({ failures }) => failures.has(status)));
  return drawChart({
    ariaLabel: "Share of failed kernels of each task, by status",
    height: 90 + rowHeight * rows.length,
    marginLeft,
    legend: present.map((status) => [status, statusColours[status]]),
    x: { label: `share of the kernels measured on ${device} →`, grid: true, tickFormat: "%" },
    y: { domain: rows.map(({ taskId }) => taskId), label: null, tickSize: 0 },
    marks: [
      Plot.barX(
        bars.filter((bar) => bar.share > 0),
        {
          x: "share",
          y: (bar: (typeof bars)[number]) => bar.task.taskId,
          fill: (bar: (typeof bars)[number]) => colour(statusColours[bar.status]),
          title: (bar: (typeof bars)[number]) =>
            `${bar.task.taskId}: ${bar.task.failures.get(bar.status)} of ${bar.task.measured} ${bar.status}`,
        },
      ),
    ],
  });
}

function total({ failures }: TaskFigures): number {
  return [...failures.values()].reduce((sum, count) => sum + count, 0);
}

/** How many kernels each family has, and in which split. */
export function familyChart({ tasks }: RecordingFigures): string {
  const families = new Map<string, { family: string; split: Split | undefined; tasks: number; kernels: number }>();
  for (const { family, split, kernels } of tasks) {
    const sum = families.get(family) ?? { family, split, tasks: 0, kernels: 0 };
    families.set(family, { ...sum, tasks: sum.tasks + 1, kernels: sum.kernels + kernels });
  }
  const rows = [...families.values()].sort((a, b) => b.kernels - a.kernels || (a.family < b.family ? -1 : 1));
  return drawChart({
    ariaLabel: "Number of kernels of each family of tasks, by split",
    height: 90 + rowHeight * rows.length,
    marginLeft,
    marginRight: 60,
    legend: splitLegend(tasks),
    x: { label: "kernels →", grid: true },
    y: { domain: rows.map(({ family }) => family), label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, { x: "kernels", y: "family", fill: colourOf }),
      Plot.text(rows, {
        x: "kernels",
        y: "family",
        dx: 4,
        textAnchor: "start",
        text: (row: (typeof rows)[number]) => (row.tasks === 1 ? "1 task" : `${row.tasks} tasks`),
      }),
    ],
  });
}

/** With fewer there is little for a search to win. */
const worthSearching = 15;

/** How many measurements a random order needs on each task. */
export function randomOrderChart({ tasks, device }: RecordingFigures): string {
  const rows = tasks
    .flatMap(({ taskId, split, randomOrder }) => (randomOrder === undefined ? [] : [{ taskId, split, randomOrder }]))
    .sort((a, b) => b.randomOrder - a.randomOrder);
  return drawChart({
    ariaLabel: "Measurements that a random order needs to within 5 % of the best, for each task",
    height: 90 + rowHeight * rows.length,
    marginLeft,
    legend: splitLegend(tasks),
    x: { label: `measurements to within 5 % of the best on ${device}, kernels in random order →`, grid: true },
    y: { domain: rows.map(({ taskId }) => taskId), label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, {
        x: "randomOrder",
        y: "taskId",
        fill: colourOf,
        title: (row: (typeof rows)[number]) => `${row.taskId}: ${row.randomOrder.toFixed(1)}`,
      }),
      Plot.ruleX([worthSearching], { stroke: colour("ink"), strokeDasharray: "4 3" }),
    ],
  });
}
