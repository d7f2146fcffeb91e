/** Learning curves of training runs. */
import * as Plot from "@observablehq/plot";
import { mean } from "../../domain/index.ts";
import { drawChart, standaloneSvg } from "../recording/draw.ts";
import { colour, type Colour } from "../recording/palette.ts";

export interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

/** One run; the runs of an arm have its colour, and its entry in the legend. */
export interface LearningCurve {
  readonly arm: string;
  readonly run: string;
  readonly points: readonly CurvePoint[];
}

const colours: readonly Colour[] = ["blue", "vermilion", "green", "purple", "ochre", "grey"];
const dashes = ["none", "6 4", "2 3"] as const;

/** Means of as many steps each as make at most so many points, each at its last step. */
export function smoothed(points: readonly CurvePoint[], most: number): CurvePoint[] {
  const size = Math.max(1, Math.ceil(points.length / most));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, part) => {
    const own = points.slice(part * size, (part + 1) * size);
    return { step: own.at(-1)?.step as number, value: mean(own.map(({ value }) => value)) as number };
  });
}

export interface LearningChartOptions {
  readonly ariaLabel: string;
  /** Of the vertical axis. */
  readonly label: string;
  /** All arms of a study, so that each has one colour in all its charts. */
  readonly arms: readonly string[];
}

/** The curves as an SVG file that brings its colours, for a light screen and a dark one. */
export function learningChart(curves: readonly LearningCurve[], options: LearningChartOptions): string {
  const { ariaLabel, label, arms } = options;
  const nameOf = (arm: string): Colour => colours[arms.indexOf(arm) % colours.length] as Colour;
  const shown = arms.filter((arm) => curves.some((curve) => curve.arm === arm));
  const chart = drawChart({
    ariaLabel,
    height: 340,
    marginLeft: 60,
    legend: shown.map((arm) => [arm, nameOf(arm)]),
    x: { label: "step →" },
    y: { label: `↑ ${label}`, grid: true },
    marks: curves.flatMap(({ arm, run, points }) => {
      const seed = curves.filter((one) => one.arm === arm).findIndex((one) => one.run === run);
      const strokeDasharray = dashes[seed % dashes.length] as string;
      const places = { x: "step", y: "value" } as const;
      return [
        Plot.line(points, { ...places, stroke: colour(nameOf(arm)), strokeDasharray, strokeWidth: 1.5 }),
        ...(points.length === 1 ? [Plot.dot(points, { ...places, fill: colour(nameOf(arm)), r: 3 })] : []),
      ];
    }),
  });
  return standaloneSvg(chart);
}
