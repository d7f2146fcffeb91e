import * as Plot from "@observablehq/plot";
import { rankPoints, reliabilityCurve, riskCurve } from "../../evaluate/curves.ts";
import type { Evaluation } from "../../evaluate/evaluate-forecasters.ts";
import { drawChart } from "../recording/draw.ts";
import { colour, type Colour } from "../recording/palette.ts";

const colours: readonly Colour[] = ["blue", "vermilion", "green", "purple", "ochre"];

interface Coloured {
  readonly evaluation: Evaluation;
  readonly name: Colour;
}

/** The forecasters asked for in colours, and the constant prior in grey to compare them with. */
function coloured(evaluations: readonly Evaluation[]): Coloured[] {
  const asked = evaluations.filter(({ isBaseline }) => !isBaseline);
  const prior = evaluations.find(({ label, isBaseline }) => isBaseline && label === "baseline:constant");
  return [
    ...asked.map((evaluation, index) => ({ evaluation, name: colours[index % colours.length] as Colour })),
    ...(prior ? [{ evaluation: prior, name: "grey" as const }] : []),
  ];
}

function legendOf(all: readonly Coloured[]): (readonly [string, Colour])[] {
  return all.map(({ evaluation, name }) => [evaluation.label, name]);
}

const square = { width: 520, height: 460, marginLeft: 56 } as const;
const dashed = { stroke: colour("pale"), strokeDasharray: "4 3" } as const;

/** Share of wins against the probability given for them; on the dashed line they agree. */
export function reliabilityChart(evaluations: readonly Evaluation[]): string {
  const all = coloured(evaluations);
  const bins = all.flatMap(({ evaluation, name }) =>
    reliabilityCurve(evaluation.judged).map((bin) => ({ ...bin, name, label: evaluation.label })),
  );
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const stroke = (bin: (typeof bins)[number]): string => colour(bin.name);
  return drawChart({
    ...square,
    ariaLabel: "Share of kernels faster than their parent by 2 % against the probability forecast, in 15 bins",
    legend: legendOf(all),
    x: { label: "forecast probability of a win →", domain: [0, 1], tickFormat: "%" },
    y: { label: "↑ share that won", domain: [0, 1], grid: true, tickFormat: "%" },
    marks: [
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        dashed,
      ),
      Plot.line(bins, { x: "meanProbability", y: "share", z: "label", stroke }),
      Plot.dot(bins, {
        x: "meanProbability",
        y: "share",
        r: (bin: (typeof bins)[number]) => 1.5 + 3.5 * Math.sqrt(bin.count / most),
        fill: stroke,
        title: (bin: (typeof bins)[number]) => `${bin.label}: ${bin.count} kernels`,
      }),
    ],
  });
}

/** Mean error of the surest share of the kernels. */
export function riskChart(evaluations: readonly Evaluation[]): string {
  const all = coloured(evaluations);
  const points = all.flatMap(({ evaluation, name }) =>
    riskCurve(evaluation.judged).map((point) => ({ ...point, name, label: evaluation.label })),
  );
  return drawChart({
    ...square,
    ariaLabel: "Mean error of the forecasts kept, against the share of kernels kept, the surest first",
    legend: legendOf(all),
    x: { label: "share of the kernels, the surest first →", domain: [0, 1], tickFormat: "%" },
    y: {
      label: "↑ mean error (log2 units)",
      domain: [0, Math.max(0.01, ...points.map(({ risk }) => risk))],
      grid: true,
    },
    marks: [
      Plot.line(points, {
        x: "coverage",
        y: "risk",
        z: "label",
        stroke: (point: (typeof points)[number]) => colour(point.name),
        strokeWidth: 1.8,
      }),
    ],
  });
}

/** Where the truth lies in its forecast: flat for a calibrated forecaster. */
export function transformChart(evaluations: readonly Evaluation[]): string {
  const all = coloured(evaluations);
  const bars = all.flatMap(({ evaluation, name }) =>
    evaluation.scores.pit.map((share, bin, pit) => ({
      label: evaluation.label,
      name,
      from: bin / pit.length,
      to: (bin + 1) / pit.length,
      height: share * pit.length,
    })),
  );
  return drawChart({
    ariaLabel: "Histogram of the probability that each forecast gave to less than the true runtime",
    width: Math.max(320, 60 + 240 * all.length),
    height: 260,
    marginLeft: 46,
    marginTop: 40,
    x: { label: "forecast's distribution function at the truth →", domain: [0, 1], ticks: [0, 0.5, 1] },
    y: { label: "↑ density", grid: true },
    fx: { label: null, domain: all.map(({ evaluation }) => evaluation.label) },
    marks: [
      Plot.rectY(bars, {
        fx: "label",
        x1: "from",
        x2: "to",
        y: "height",
        fill: (bar: (typeof bars)[number]) => colour(bar.name),
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.ruleY([1], { stroke: colour("ink"), strokeDasharray: "4 3" }),
    ],
  });
}

const perRow = 5;
const panelSize = 172;

/** Dots drawn for a task. */
export const mostDots = 150;

/** Forecast rank against true rank, a small chart for each task. */
export function rankChart({ label, judged, scores }: Evaluation): string {
  const panels = judged
    .toSorted((a, b) => (a.taskId < b.taskId ? -1 : 1))
    .map((task, index) => ({
      task,
      column: index % perRow,
      row: Math.floor(index / perRow),
      title: shortened(task.taskId),
      spearman: scores.byTask[task.taskId]?.spearman,
    }));
  const dots = panels.flatMap(({ task, column, row }) =>
    rankPoints(task, mostDots).map((point) => ({ ...point, column, row })),
  );
  const rows = Math.ceil(panels.length / perRow);
  return drawChart({
    ariaLabel: `Ranks forecast by ${label} against true ranks, by task`,
    width: 20 + panelSize * Math.min(perRow, Math.max(1, panels.length)),
    height: 40 + panelSize * Math.max(1, rows),
    marginLeft: 14,
    marginRight: 6,
    marginTop: 12,
    marginBottom: 24,
    x: { label: "forecast rank →", ticks: [], domain: [0, 1], inset: 4, insetTop: 0 },
    y: { label: "↑ true rank", ticks: [], domain: [0, 1], insetTop: 20, insetBottom: 4 },
    fx: { axis: null, padding: 0.06 },
    fy: { axis: null, padding: 0.06 },
    marks: [
      Plot.frame({ stroke: colour("pale") }),
      Plot.dot(dots, {
        fx: "column",
        fy: "row",
        x: "forecast",
        y: "truth",
        r: 1.4,
        fill: colour("blue"),
        fillOpacity: 0.6,
      }),
      Plot.text(panels, {
        fx: "column",
        fy: "row",
        frameAnchor: "top-left",
        dx: 4,
        dy: 4,
        lineAnchor: "top",
        textAnchor: "start",
        text: ({ title, spearman }: (typeof panels)[number]) => `${title} ${spearman?.toFixed(2) ?? "–"}`,
      }),
    ],
  });
}

const longestName = 20;

function shortened(name: string): string {
  return name.length <= longestName ? name : `${name.slice(0, longestName - 1)}…`;
}
