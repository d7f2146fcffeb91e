import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { colour, paletteStyles, type Colour } from "./palette.ts";

const chartWidth = 880;

export interface ChartOptions extends Omit<Plot.PlotOptions, "document" | "style"> {
  /** What the chart shows, for people who cannot see it. */
  readonly ariaLabel: string;
  /** What its colours mean, drawn above it. */
  readonly legend?: readonly (readonly [label: string, colour: Colour])[];
}

/** Draws a plot without a browser: SVG with the palette's variables, coordinates to a tenth of a pixel. */
export function drawChart({ legend = [], marks = [], ...options }: ChartOptions): string {
  const { document } = parseHTML("<html><body></body></html>");
  const figure = Plot.plot({
    width: chartWidth,
    marginTop: legend.length > 0 ? 56 : 24,
    ...options,
    marks: [...marks, ...legendMarks(legend)],
    document,
    style: { background: "transparent", color: colour("ink") },
  });
  return rounded(figure.outerHTML.replace("<svg ", '<svg role="img" '));
}

const letterWidth = 6.4;

function legendMarks(legend: NonNullable<ChartOptions["legend"]>): Plot.Markish[] {
  let left = 0;
  return legend.flatMap(([label, name]) => {
    const dx = left;
    left += 30 + letterWidth * label.length;
    const place = { frameAnchor: "top-left", dy: -24 } as const;
    return [
      Plot.dot([0], { ...place, dx: dx + 5, r: 5, fill: colour(name) }),
      Plot.text([label], {
        ...place,
        dx: dx + 15,
        text: (text: string) => text,
        textAnchor: "start",
        lineAnchor: "middle",
      }),
    ];
  });
}

/** The tick of a factor on a scale of its logarithm: 3 is "8 ×". */
export function times(log2: number): string {
  return `${Number((2 ** log2).toPrecision(3))} ×`;
}

function rounded(svg: string): string {
  return svg.replace(/ (d|[xy][12]?|c[xy]|r|width|height|transform)="([^"]*)"/g, (_, name: string, value: string) => {
    const short = value.replace(/-?\d+\.\d+/g, (number) => String(Math.round(Number(number) * 10) / 10));
    return ` ${name}="${short}"`;
  });
}

/** A chart as a file of its own, which brings its colours. */
export function standaloneSvg(chart: string): string {
  const svg = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ');
  return `${svg.replace(/(<svg [^>]*>)/, `$1<style>${paletteStyles(":root")}</style>`)}\n`;
}
