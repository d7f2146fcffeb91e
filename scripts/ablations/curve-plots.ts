import * as Plot from "@observablehq/plot";
import { mean } from "../../src/domain/index.ts";
import { drawChart, standaloneSvg } from "../../src/report/recording/draw.ts";
import { colour, type Colour } from "../../src/report/recording/palette.ts";
import { markdownTable } from "../markdown.ts";
import type { CurveLine } from "./curve-lines.ts";
import { figure } from "./tables.ts";

const colours: readonly Colour[] = ["blue", "vermilion", "green", "purple", "ochre"];

/** Models trained on as much, their seeds taken together. */
interface CurvePoint {
  readonly forecaster: string;
  readonly split: string;
  readonly view: string;
  readonly share: number;
  readonly seeds: number;
  readonly tasks: number;
  readonly families: number;
  readonly kernels: number;
  score(name: string): number | undefined;
  /** Lowest and highest of the seeds. */
  range(name: string): readonly [number, number];
}

/** Points of the curves, by forecaster, view, split and size. */
export function curvePoints(lines: readonly CurveLine[]): CurvePoint[] {
  const groups = new Map<string, CurveLine[]>();
  for (const one of lines) {
    const key = JSON.stringify([one.forecaster, one.view, one.split, one.share ?? 1, one.wanted ?? one.tasks]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()]
    .map((group) => {
      const { forecaster, split, view, share = 1 } = group[0] as CurveLine;
      const over = (read: (one: CurveLine) => number): number => mean(group.map(read)) ?? Number.NaN;
      const values = (name: string): number[] => group.flatMap(({ scores }) => scores[name] ?? []);
      return {
        forecaster,
        split,
        view,
        share,
        seeds: group.length,
        tasks: over(({ tasks }) => tasks),
        families: over(({ families }) => families),
        kernels: over(({ kernels }) => kernels),
        score: (name: string) => mean(values(name)),
        range: (name: string): [number, number] => [Math.min(...values(name)), Math.max(...values(name))],
      };
    })
    .sort((a, b) => a.tasks - b.tasks || a.kernels - b.kernels);
}

const scoreColumns = ["pairwise", "spearman", "crps", "auroc of p_ok"];

/** A table of points, the seeds' means. */
export function curveTable(points: readonly CurvePoint[]): string {
  return markdownTable(
    ["forecaster", "split", "view", "tasks", "families", "kernels", "seeds", ...scoreColumns],
    points.map((point) => [
      point.forecaster,
      point.split,
      point.view,
      point.tasks.toFixed(0),
      point.families.toFixed(0),
      point.kernels.toFixed(0),
      point.seeds,
      ...scoreColumns.map((name) => figure(point.score(name))),
    ]),
  );
}

/** A score against the size of what was trained on, test in full lines and validation in dashed ones; as a file. */
export function curveChart(points: readonly CurvePoint[], x: "tasks" | "kernels", score: string): string {
  const forecasters = [...new Set(points.map(({ forecaster }) => forecaster))];
  const colourOf = (forecaster: string): Colour => colours[forecasters.indexOf(forecaster) % colours.length] as Colour;
  const known = points.flatMap((point) => {
    const value = point.score(score);
    const [low, high] = point.range(score);
    return value === undefined ? [] : [{ ...point, value, low, high, series: `${point.forecaster} ${point.split}` }];
  });
  const sizes = [...new Set(known.map((point) => Math.round(point[x])))];
  const stroke = ({ forecaster }: CurvePoint): string => colour(colourOf(forecaster));
  const lines = (split: string, dash: string): Plot.Markish =>
    Plot.line(
      known.filter((point) => point.split === split),
      { x, y: "value", z: "series", fx: "view", stroke, strokeDasharray: dash },
    );
  return standaloneSvg(
    drawChart({
      ariaLabel: `${score} against the number of ${x} trained on, by view; validation dashed`,
      legend: forecasters.map((one) => [one, colourOf(one)] as const),
      height: 340,
      x: { label: `${x} trained on →`, type: "log", ticks: sizes, tickFormat: "d" },
      y: { label: `↑ ${score}`, grid: true },
      fx: { label: null },
      marks: [
        lines("test", "none"),
        lines("validation", "5 4"),
        Plot.ruleX(known, { x, y1: "low", y2: "high", fx: "view", stroke }),
        Plot.dot(known, { x, y: "value", fx: "view", r: 3, fill: stroke }),
      ],
    }),
  );
}
