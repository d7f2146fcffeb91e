import { passTolerance } from "../../domain/index.ts";
import { html, raw, type Html } from "../html.ts";
import { standaloneSvg } from "./draw.ts";
import type { RecordingFigures } from "./figures.ts";
import { depthChart, deviceChart, evidenceCharts, passChart, type NamedChart } from "./kernel-charts.ts";
import { paletteStyles } from "./palette.ts";
import { failureChart, familyChart, randomOrderChart, spreadChart } from "./task-charts.ts";

interface Section {
  readonly title: string;
  readonly caption: string;
  readonly charts: readonly NamedChart[];
}

/** The plots of a recording: one page that needs nothing else, and the same charts as files by name. */
export interface RecordingPlots {
  readonly page: string;
  readonly files: ReadonlyMap<string, string>;
  /** What each file shows. */
  readonly titles: ReadonlyMap<string, string>;
}

export function plotRecording(figures: RecordingFigures): RecordingPlots {
  const sections = sectionsOf(figures).filter(({ charts }) => charts.length > 0);
  const charts = sections.flatMap((section) => section.charts);
  return {
    page: renderPage(figures, sections),
    files: new Map(charts.map(({ name, svg }) => [`${name}.svg`, standaloneSvg(svg)])),
    titles: new Map(sections.flatMap((section) => section.charts.map((chart) => titleOf(section, chart)))),
  };
}

function titleOf({ title, charts }: Section, { name }: NamedChart): [file: string, title: string] {
  return [`${name}.svg`, charts.length === 1 ? title : `${title}: ${name.replaceAll("-", " ")}`];
}

function sectionsOf(figures: RecordingFigures): Section[] {
  const one = (name: string, svg: string): NamedChart[] => [{ name, svg }];
  return [
    {
      title: "How far kernels are above the best of their task",
      caption:
        "A violin per task: how many kernels take how many times the runtime of the task's fastest one. The gap is the median, the dot the seed kernel.",
      charts: one("spread", spreadChart(figures)),
    },
    {
      title: "How well the passes agree",
      caption: `Difference of the medians of a kernel's first two passes. Dashed: ${100 * passTolerance} %, above which a kernel is measured a third time.`,
      charts: figures.passes.length === 0 ? [] : one("passes", passChart(figures)),
    },
    {
      title: "Rank on two devices",
      caption: "Each dot a kernel: its rank within its task on either device.",
      charts: figures.agreements.map((agreement, index) => ({
        name: index === 0 ? "devices" : `devices-${index + 1}`,
        svg: deviceChart(agreement),
      })),
    },
    {
      title: "What failed, and how",
      caption: "The device's verdicts, by task.",
      charts: one("failures", failureChart(figures)),
    },
    {
      title: "Families and splits",
      caption: "No family is in two splits.",
      charts: one("families", familyChart(figures)),
    },
    {
      title: "What the compiler says, and how kernels do",
      caption:
        "Kernels by registers, shared memory (static and dynamic) and occupancy: the dot is the median of runtime over the task's best, its size the number of kernels, the bar the middle half. Groups of fewer than ten are left out.",
      charts: evidenceCharts(figures),
    },
    {
      title: "Depth in the derivation tree",
      caption: "Steps from the seed kernel, all tasks together.",
      charts: one("depth", depthChart(figures)),
    },
    {
      title: "What a random order needs",
      caption:
        "Mean number of measurements until one is within 5 % of the best, over 500 orders. Left of the dashed line, 15, there is little for a search to win.",
      charts: one("random-order", randomOrderChart(figures)),
    },
  ];
}

const layout = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--background); max-width: 920px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; border-bottom: 1px solid var(--pale); }
.caption { color: var(--grey); font-size: .85rem; } svg { max-width: 100%; height: auto; overflow: visible; } .charts { display: flex; flex-wrap: wrap; gap: 8px; }
`;

function renderPage(figures: RecordingFigures, sections: readonly Section[]): string {
  const { tasks, device, name } = figures;
  const kernels = tasks.reduce((sum, task) => sum + task.kernels, 0);
  const others = figures.agreements.map(({ second, kernels: count }) => `${second} (${count} kernels)`);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${name}: plots of the recording</title>
        <style>
          ${raw(paletteStyles(":root"))}${raw(layout)}
        </style>
      </head>
      <body>
        <h1>Recording: ${name}</h1>
        <p>${tasks.length} tasks, ${kernels} kernels, measured on ${[device, ...others].join(" and ")}.</p>
        ${sections.map(renderSection)}
      </body>
    </html> `;
  return page.markup;
}

function renderSection({ title, caption, charts }: Section): Html {
  return html`<section id="${charts[0]?.name ?? ""}">
    <h2>${title}</h2>
    <div class="charts">${charts.map(({ svg }) => raw(svg))}</div>
    <p class="caption">${caption}</p>
  </section>`;
}
