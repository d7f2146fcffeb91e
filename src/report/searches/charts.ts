/** Charts of `bench search`. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../domain/index.ts";
import type { AnatomyStep } from "../../evaluate/searches/gap-anatomy.ts";
import { geomean, near, type ArmScore } from "../../evaluate/searches/score-searches.ts";
import { bestAfter, measurementsToWithin, type SearchResults } from "../../evaluate/searches/search-results.ts";
import { drawChart, times } from "../recording/draw.ts";
import { colour, type Colour } from "../recording/palette.ts";

const colours: readonly Colour[] = ["blue", "vermilion", "green", "purple", "ochre"];
const dashes = ["none", "6 4", "2 3"] as const;

/** How an arm is drawn: the arms that all are compared with in ink and grey, the others by their place. */
function styleOf(arm: string, arms: readonly string[]): { readonly colour: Colour; readonly dash: string } {
  if (arm === "measure-all") return { colour: "grey", dash: "none" };
  if (arm === "oracle") return { colour: "ink", dash: "2 3" };
  const place = arms.filter((one) => one !== "measure-all" && one !== "oracle").indexOf(arm);
  const round = Math.floor(place / colours.length) % dashes.length;
  return { colour: colours[place % colours.length] as Colour, dash: dashes[round] as string };
}

function legendOf(arms: readonly string[]): (readonly [string, Colour])[] {
  return arms.map((arm) => {
    const { colour: name, dash } = styleOf(arm, arms);
    return [dash === "none" ? arm : `${arm} (dashed)`, name] as const;
  });
}

/** Arms of one chart: a legend of more would not fit. */
const armsPerChart = 6;

/** The arms in groups, measure-all and the oracle in each. */
export function chartGroups(arms: readonly string[]): string[][] {
  const others = arms.filter((arm) => arm !== "measure-all" && arm !== "oracle");
  const size = armsPerChart - 2;
  const groups = Array.from({ length: Math.max(1, Math.ceil(others.length / size)) }, (_, group) =>
    others.slice(group * size, (group + 1) * size),
  );
  return groups.map((group) => ["measure-all", ...group, "oracle"]);
}

interface Point {
  readonly arm: string;
  readonly measurements: number;
  readonly value: number;
}

type CurveOptions = Pick<Plot.PlotOptions, "x" | "y"> & { readonly ariaLabel: string };

function curveChart(points: readonly Point[], arms: readonly string[], options: CurveOptions): string {
  return drawChart({
    ...options,
    height: 380,
    marginLeft: 60,
    legend: legendOf(arms),
    marks: arms.map((arm) => {
      const style = styleOf(arm, arms);
      return Plot.line(
        points.filter((point) => point.arm === arm),
        { x: "measurements", y: "value", stroke: colour(style.colour), strokeDasharray: style.dash },
      );
    }),
  });
}

function pointsOf(
  { arms, measurements }: SearchResults,
  read: (arm: string, measurements: number) => number | undefined,
): Point[] {
  return arms.flatMap((arm) =>
    Array.from({ length: measurements }, (_, index) => index + 1).flatMap((count) => {
      const value = read(arm, count);
      return value === undefined ? [] : [{ arm, measurements: count, value }];
    }),
  );
}

/** Less than this above the best is not told apart. */
const leastExcess = 0.001;

/** Best kernel found against measurements: how far above the best of the pool, by the geometric mean over seeds and tasks. */
export function bestFoundChart(results: SearchResults): string {
  const { tasks, cells, arms } = results;
  const excess = (arm: string, count: number): number | undefined => {
    const above = tasks.flatMap(
      ({ taskId, bestUs }) => mean(cells(arm, taskId).map((cell) => Math.log2(bestAfter(cell, count) / bestUs))) ?? [],
    );
    const ratio = geomean(above);
    return ratio === undefined ? undefined : Math.max(leastExcess, ratio - 1);
  };
  return curveChart(pointsOf(results, excess), arms, {
    ariaLabel: "How far the best kernel found is above the pool's best, against measurements, by arm",
    x: { label: "measurements →" },
    y: { label: "↑ runtime above that of the pool's best", type: "log", tickFormat: shareOf, grid: true },
  });
}

function shareOf(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

/** Share of searches that have found a kernel near the best, against measurements: mean over tasks. */
export function reachedChart(results: SearchResults): string {
  const { tasks, cells, arms } = results;
  const reached = (arm: string, count: number): number | undefined =>
    mean(
      tasks.flatMap(
        ({ taskId, bestUs }) =>
          mean(
            cells(arm, taskId).map((cell) => ((measurementsToWithin(cell, near, bestUs) ?? Infinity) <= count ? 1 : 0)),
          ) ?? [],
      ),
    );
  return curveChart(pointsOf(results, reached), arms, {
    ariaLabel: `Share of searches within ${100 * near} % of the pool's best kernel, against measurements, by arm`,
    x: { label: "measurements →" },
    y: { label: `↑ searches within ${100 * near} % of the pool's best`, tickFormat: ".0%", domain: [0, 1], grid: true },
  });
}

const rowHeight = 22;
const marginLeft = 190;

/** What each arm found on each task, over what measure-all did; filled where the difference is no accident. */
export function taskChart(scores: readonly ArmScore[]): string {
  const arms = scores.map(({ arm }) => arm);
  const compared = scores.filter(({ arm }) => arm !== "measure-all");
  const points = compared.flatMap(({ arm, byTask }) =>
    byTask.map(({ taskId, ratio, verdict }) => ({ arm, taskId, value: Math.log2(ratio), verdict })),
  );
  const rows = new Set(points.map(({ taskId }) => taskId)).size;
  return drawChart({
    ariaLabel: "Best kernel found over measure-all's, by task and arm",
    height: 90 + rowHeight * rows,
    marginLeft,
    legend: legendOf(arms).filter(([arm]) => !arm.startsWith("measure-all")),
    x: { label: "times as fast as measure-all's best →", tickFormat: times, grid: true },
    y: { label: null },
    marks: [
      Plot.ruleX([0], { stroke: colour("grey") }),
      ...compared.flatMap(({ arm }) => {
        const stroke = colour(styleOf(arm, arms).colour);
        const own = points.filter((point) => point.arm === arm);
        const dots = { x: "value", y: "taskId", r: 4, stroke };
        return [
          Plot.dot(own, { ...dots, filter: ({ verdict }: (typeof own)[number]) => verdict === "tie" }),
          Plot.dot(own, { ...dots, fill: stroke, filter: ({ verdict }: (typeof own)[number]) => verdict !== "tie" }),
        ];
      }),
    ],
  });
}

/** What knowing more would be worth. */
export function anatomyChart(anatomy: readonly AnatomyStep[]): string {
  const rows = anatomy.flatMap(({ what, bestVsMeasureAll: { value, interval } }) =>
    value === undefined
      ? []
      : [
          {
            what,
            value: Math.log2(value),
            low: Math.log2(interval?.low ?? value),
            high: Math.log2(interval?.high ?? value),
          },
        ],
  );
  return drawChart({
    ariaLabel: "Best kernel over measure-all's, for ours and with more known than any search can know",
    height: 70 + rowHeight * rows.length,
    marginLeft: 340,
    x: { label: "times as fast as measure-all's best →", tickFormat: times, grid: true },
    y: { label: null, domain: rows.map(({ what }) => what) },
    marks: [
      Plot.barX(rows, { x: "value", y: "what", fill: colour("blue") }),
      Plot.ruleY(rows, { x1: "low", x2: "high", y: "what", stroke: colour("ink") }),
    ],
  });
}
