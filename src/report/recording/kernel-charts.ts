/** Charts over all kernels. */
import * as Plot from "@observablehq/plot";
import { passTolerance, quantileSorted, ranks } from "../../domain/index.ts";
import type { DeviceAgreement } from "../../formats/device-agreement.ts";
import { drawChart, times } from "./draw.ts";
import type { EvidenceFigures, RecordingFigures } from "./figures.ts";
import { colour, type Colour } from "./palette.ts";

/** A chart with the name that its file has. */
export interface NamedChart {
  readonly name: string;
  readonly svg: string;
}

interface Curve {
  readonly label: string;
  readonly colour: Colour;
  /** Ascending. */
  readonly differences: readonly number[];
}

/** Differences below this are drawn at it: the axis is logarithmic. */
const least = 1e-4;
const curvePoints = 160;

/** What share of the kernels has passes that differ by no more than so much. */
export function passChart(figures: RecordingFigures): string {
  const curves = passCurves(figures);
  const points = curves.flatMap(({ label, colour: name, differences }) =>
    Array.from({ length: curvePoints + 1 }, (_, index) => ({
      label,
      name,
      share: index / curvePoints,
      difference: Math.max(least, quantileSorted(differences, index / curvePoints) ?? least),
    })),
  );
  return drawChart({
    ariaLabel: "Cumulative distribution of the disagreement of the passes, by runtime",
    height: 340,
    legend: curves.map(({ label, colour: name, differences }) => [`${label} (${differences.length})`, name]),
    x: { type: "log", label: "difference of the passes →", grid: true, tickFormat: percent, ticks: 6 },
    y: { label: "↑ share of the kernels", grid: true, tickFormat: "%", domain: [0, 1] },
    marks: [
      Plot.ruleX([passTolerance], { stroke: colour("ink"), strokeDasharray: "4 3" }),
      Plot.line(points, {
        x: "difference",
        y: "share",
        z: "label",
        stroke: (point: (typeof points)[number]) => colour(point.name),
        strokeWidth: 1.8,
      }),
    ],
  });
}

const runtimeClasses: readonly (readonly [label: string, colour: Colour, from: number, below: number])[] = [
  ["below 200 µs", "blue", 0, 200],
  ["200 µs to 1 ms", "ochre", 200, 1000],
  ["above 1 ms", "vermilion", 1000, Infinity],
];

/** The main device by runtime, the others as they are; and the main device after third passes, where there are some. */
function passCurves({ passes, device, agreements }: RecordingFigures): Curve[] {
  const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
  const main = passes.filter((one) => one.device === device);
  const curves: Curve[] = runtimeClasses.map(([label, name, from, below]) => {
    const inside = main.filter(({ runtimeUs }) => runtimeUs >= from && runtimeUs < below);
    return { label, colour: name, differences: sorted(inside.map(({ difference }) => difference)) };
  });
  if (main.some(({ difference, confirmed }) => confirmed < difference)) {
    const after = sorted(main.map(({ confirmed }) => confirmed));
    curves.push({ label: "all, best two passes", colour: "green", differences: after });
  }
  for (const { second } of agreements) {
    const others = passes.filter((one) => one.device === second).map(({ difference }) => difference);
    curves.push({ label: second, colour: "purple", differences: sorted(others) });
  }
  return curves.filter(({ differences }) => differences.length > 0);
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

interface Panel {
  readonly id: string;
  readonly name: string;
  readonly value: (one: EvidenceFigures) => number | undefined;
  readonly width: number;
  readonly unit: (value: number) => string;
  readonly ticks: readonly number[];
}

const panels: readonly Panel[] = [
  {
    id: "registers",
    name: "registers per thread",
    value: ({ registers }) => registers,
    width: 16,
    unit: String,
    ticks: [0, 64, 128, 192, 256],
  },
  {
    id: "shared-memory",
    name: "shared memory per block",
    value: ({ sharedMemory }) => sharedMemory,
    width: 8192,
    unit: (bytes) => `${bytes / 1024} KiB`,
    ticks: [0, 65536, 131072, 196608],
  },
  {
    id: "occupancy",
    name: "occupancy",
    value: ({ occupancy }) => occupancy,
    width: 0.125,
    unit: (share) => `${100 * share} %`,
    ticks: [0, 0.25, 0.5, 0.75, 1],
  },
];

/** Kernels of a bin below this say little. */
const fewest = 10;

interface Bin {
  readonly from: number;
  readonly centre: number;
  readonly kernels: number;
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** How far kernels are above their task's best, by what the compiler said: the median and the middle half of each bin. */
export function evidenceCharts({ evidence }: RecordingFigures): NamedChart[] {
  return panels.flatMap((panel) => {
    const bins = binned(evidence, panel);
    if (bins.length === 0) return [];
    const most = Math.max(...bins.map(({ kernels }) => kernels));
    const svg = drawChart({
      ariaLabel: `Runtime over the best runtime by ${panel.name}`,
      width: 290,
      height: 300,
      marginLeft: 46,
      x: { label: `${panel.name} →`, tickFormat: panel.unit, ticks: [...panel.ticks], inset: 6 },
      y: {
        label: "↑ runtime / best",
        grid: true,
        tickFormat: times,
        ticks: powersBelow(Math.max(...bins.map(({ high }) => high))),
      },
      marks: [
        Plot.ruleX(bins, { x: "centre", y1: "low", y2: "high", stroke: colour("pale"), strokeWidth: 4 }),
        Plot.dot(bins, {
          x: "centre",
          y: "median",
          r: ({ kernels }: Bin) => 1.5 + 4.5 * Math.sqrt(kernels / most),
          fill: colour("blue"),
          title: ({ from, kernels }: Bin) => `${panel.unit(from)} and up: ${kernels} kernels`,
        }),
      ],
      r: { type: "identity" },
    });
    return [{ name: panel.id, svg }];
  });
}

/** Whole logarithms from 0 up to a value. */
function powersBelow(log2: number): number[] {
  return Array.from({ length: Math.floor(log2) + 1 }, (_, power) => power);
}

function binned(evidence: readonly EvidenceFigures[], { value, width }: Panel): Bin[] {
  const groups = new Map<number, number[]>();
  for (const one of evidence) {
    const found = value(one);
    if (found === undefined) continue;
    const from = Math.floor(found / width) * width;
    const group = groups.get(from);
    if (group) group.push(one.aboveBest);
    else groups.set(from, [one.aboveBest]);
  }
  return [...groups]
    .filter(([, values]) => values.length >= fewest)
    .map(([from, values]) => {
      const sorted = values.sort((a, b) => a - b);
      const at = (p: number): number => quantileSorted(sorted, p) ?? 0;
      return { from, centre: from + width / 2, kernels: values.length, low: at(0.25), median: at(0.5), high: at(0.75) };
    })
    .sort((a, b) => a.from - b.from);
}

/** How many kernels lie how many steps from the root of their task's derivation tree. */
export function depthChart({ tasks }: RecordingFigures): string {
  const counts = new Map<number, number>();
  for (const depth of tasks.flatMap(({ depths }) => depths)) counts.set(depth, (counts.get(depth) ?? 0) + 1);
  const deepest = Math.max(0, ...counts.keys());
  const rows = Array.from({ length: deepest + 1 }, (_, depth) => ({ depth, kernels: counts.get(depth) ?? 0 }));
  return drawChart({
    ariaLabel: "Number of kernels by their depth in the derivation tree",
    height: 260,
    x: { label: "steps from the seed kernel →", tickSize: 0 },
    y: { label: "↑ kernels", grid: true },
    marks: [Plot.barY(rows, { x: "depth", y: "kernels", fill: colour("blue") })],
  });
}

/** Ranks of a task's kernels on two devices, 0 the fastest and 1 the slowest. */
export function deviceChart({ first, second, byTask }: DeviceAgreement): string {
  const points = byTask.flatMap(({ taskId, runtimes }) => {
    const [x, y] = [relativeRanks(runtimes.map(([us]) => us)), relativeRanks(runtimes.map(([, us]) => us))];
    return runtimes.map((_, index) => ({ taskId, x: x[index] ?? 0, y: y[index] ?? 0 }));
  });
  return drawChart({
    ariaLabel: `Rank of each kernel within its task on ${second} against that on ${first}`,
    width: 520,
    height: 500,
    x: { label: `rank on ${first} (0: the fastest of its task) →`, domain: [0, 1], inset: 4, ticks: 5 },
    y: { label: `↑ rank on ${second}`, domain: [0, 1], inset: 4, ticks: 5, grid: true },
    marks: [
      Plot.line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: colour("grey"), strokeDasharray: "4 3" },
      ),
      Plot.dot(points, { x: "x", y: "y", r: 1.5, fill: colour("blue"), fillOpacity: 0.5 }),
    ],
  });
}

function relativeRanks(runtimes: readonly number[]): number[] {
  return ranks(runtimes).map((rank) => (runtimes.length < 2 ? 0 : (rank - 1) / (runtimes.length - 1)));
}
