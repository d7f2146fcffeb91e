import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { ReportData, ReportNode } from "./collect.ts";

const width = 880;
const colours = { seed: "#6b7280", ok: "#2563eb", win: "#059669", failed: "#dc2626", skipped: "#9ca3af" } as const;

type PlotOptions = Plot.PlotOptions;

/** Draws a plot without a browser; the text is SVG. */
function draw(options: PlotOptions): string {
  const { document } = parseHTML("<html><body></body></html>");
  const figure = Plot.plot({
    ...options,
    document: document,
    style: { background: "transparent" },
  });
  return figure.outerHTML;
}

/** Runtime of every measurement and of the incumbent, against the number of measurements. */
export function progressChart({ measurements, summary }: ReportData): string {
  const screened = measurements.filter(({ mode, runtimeUs }) => mode === "screen" && runtimeUs !== undefined);
  const winners = new Set(measurements.filter(({ isWin }) => isWin).map(({ kernelId }) => kernelId));
  const steps = measurements.filter(({ bestUs }) => Number.isFinite(bestUs));
  const seedUs = summary.seed_kernel.runtime_us;
  return draw({
    width,
    height: 320,
    marginLeft: 60,
    x: { label: "measurement", inset: 8 },
    y: { type: "log", inset: 6, label: "runtime (µs)", grid: true, tickFormat: ",~g" },
    marks: [
      ...(seedUs === null ? [] : [Plot.ruleY([seedUs], { stroke: colours.seed, strokeDasharray: "4 3" })]),
      Plot.lineY(steps, { x: "number", y: "bestUs", curve: "step-after", stroke: colours.win, strokeWidth: 2 }),
      Plot.dot(screened, {
        x: "number",
        y: "runtimeUs",
        r: 3.5,
        fill: (row: { kernelId: string }) => (winners.has(row.kernelId) ? colours.win : colours.ok),
        title: (row: { kernelId: string; runtimeUs: number }) => `${row.kernelId}: ${row.runtimeUs.toFixed(1)} µs`,
      }),
    ],
  });
}

interface Judged {
  readonly kernelId: string;
  readonly forecastUs: number;
  readonly lowUs: number;
  readonly highUs: number;
  readonly runtimeUs: number;
}

function judge({ kernelId, forecast, runtimeUs }: ReportNode): Judged[] {
  if (!forecast || runtimeUs === undefined) return [];
  const { m, sigmaLow, sigmaHigh } = forecast;
  return [
    {
      kernelId,
      runtimeUs,
      forecastUs: 2 ** m,
      lowUs: 2 ** (m - 1.2816 * sigmaLow),
      highUs: 2 ** (m + 1.2816 * sigmaHigh),
    },
  ];
}

/** Forecast with its 80 % interval against the measured runtime; undefined when nothing was both. */
export function forecastChart({ nodes }: ReportData): string | undefined {
  const judged = nodes.flatMap(judge);
  if (judged.length === 0) return undefined;
  const all = judged.flatMap(({ lowUs, highUs, runtimeUs }) => [lowUs, highUs, runtimeUs]);
  const domain = [Math.min(...all), Math.max(...all)];
  return draw({
    width: 520,
    height: 460,
    marginLeft: 60,
    x: { type: "log", label: "forecast (µs), with its 80 % interval", domain, tickFormat: ",~g", ticks: 5 },
    y: { type: "log", label: "measured (µs)", domain, grid: true, tickFormat: ",~g", ticks: 5 },
    marks: [
      Plot.line(
        domain.map((value) => [value, value]),
        { stroke: colours.seed, strokeDasharray: "4 3" },
      ),
      Plot.ruleY(judged, { y: "runtimeUs", x1: "lowUs", x2: "highUs", stroke: colours.ok, strokeOpacity: 0.4 }),
      Plot.dot(judged, { x: "forecastUs", y: "runtimeUs", fill: colours.ok, r: 3.5, title: "kernelId" }),
    ],
  });
}

/** Most nodes drawn in the tree: beyond it only measured kernels and their ancestors are shown. */
const treeLimit = 160;

/** Room for a label, in pixels. */
const levelWidth = 130;

/** What the colours of the tree mean, in the order of a kernel's life. */
export const treeLegend: readonly (readonly [string, string])[] = [
  ["seed", colours.seed],
  ["measured", colours.ok],
  ["best", colours.win],
  ["failed", colours.failed],
  ["skipped", colours.skipped],
];

/** The derivation tree; colour tells what became of a kernel. */
export function treeChart({ nodes, summary }: ReportData): string {
  const shown = chooseNodes(nodes);
  const best = summary.best?.kernel_id;
  const fill = (node: ReportNode): string => nodeColour(node, best);
  const depth = Math.max(...shown.map(({ path }) => path.length));
  return draw({
    width: Math.max(width, (depth + 1) * levelWidth),
    height: Math.max(220, Math.min(1600, shown.length * 13)),
    marginRight: levelWidth,
    marginLeft: 10,
    marginTop: 12,
    marginBottom: 12,
    axis: null,
    marks: [
      Plot.tree(shown, {
        path: (node: ReportNode) => node.path.join("/"),
        delimiter: "/",
        fill,
        stroke: "#d1d5db",
        r: 3.5,
        text: (node: ReportNode) => label(node),
        title: (node: ReportNode) => `${node.kernelId} ${label(node)}\n${node.idea}`,
        // All to the right: a mirrored label would lie on those of the level before.
        textLayout: "normal",
        textStroke: "white",
      }),
    ],
  });
}

function label({ runtimeUs, status, kernelId }: ReportNode): string {
  return runtimeUs === undefined
    ? `${kernelId.slice(0, 6)} ${status}`
    : `${kernelId.slice(0, 6)} ${runtimeUs.toFixed(0)} µs`;
}

function nodeColour({ kernelId, status, parentId }: ReportNode, best: string | undefined): string {
  if (kernelId === best) return colours.win;
  if (parentId === null) return colours.seed;
  if (status === "ok") return colours.ok;
  return status === "failed" ? colours.failed : colours.skipped;
}

function chooseNodes(nodes: readonly ReportNode[]): readonly ReportNode[] {
  if (nodes.length <= treeLimit) return nodes;
  const wanted = new Set(
    nodes.filter(({ status }) => status === "ok" || status === "failed").flatMap(({ path }) => path),
  );
  return nodes.filter(({ kernelId }) => wanted.has(kernelId)).slice(0, 4 * treeLimit);
}
