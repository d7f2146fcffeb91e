import { worthDocument, worthText } from "../../decide/worth.ts";
import type { Evaluation } from "../../evaluate/evaluate-forecasters.ts";
import { evaluationNotes, kernelsPerSecond, type EvaluationResult } from "../../evaluate/evaluation-document.ts";
import { scoreNames } from "../../evaluate/score-task.ts";
import type { MeanScore } from "../../evaluate/score-tasks.ts";
import { forecastCosts, worthOfForecaster } from "../../evaluate/worth-of-forecaster.ts";
import { html, raw, type Html } from "../html.ts";
import { standaloneSvg } from "../recording/draw.ts";
import { paletteStyles } from "../recording/palette.ts";
import { mostDots, rankChart, reliabilityChart, riskChart, transformChart } from "./charts.ts";

/** An evaluation as a page that needs nothing else, and its charts as files by name. */
export interface EvaluationPage {
  readonly page: string;
  readonly files: ReadonlyMap<string, string>;
}

interface Section {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly svg: string;
}

const layout = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--background); max-width: 920px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; border-bottom: 1px solid var(--pale); }
.caption { color: var(--grey); font-size: .85rem; } svg { max-width: 100%; height: auto; overflow: visible; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12.5px; } th, td { text-align: right; padding: .2rem .5rem; border-bottom: 1px solid var(--pale); white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
td small { color: var(--grey); display: block; }
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } tr, svg { break-inside: avoid; } }
`;

export function renderEvaluation(result: EvaluationResult): EvaluationPage {
  const sections = sectionsOf(result.evaluations);
  return {
    page: renderPage(result, sections),
    files: new Map(sections.map(({ id, svg }) => [`${id}.svg`, standaloneSvg(svg)])),
  };
}

function sectionsOf(evaluations: readonly Evaluation[]): Section[] {
  const asked = evaluations.filter(({ isBaseline }) => !isBaseline);
  return [
    {
      id: "reliability",
      title: "Reliability",
      caption:
        "P(faster than its parent by more than 2 %) in bins of equal count, all tasks together, against the share that was. On the dashed line they agree.",
      svg: reliabilityChart(evaluations),
    },
    {
      id: "risk-coverage",
      title: "Risk against coverage",
      caption:
        "Mean error of the medians in log2 units over the surest share of the kernels, mean over tasks. It should fall to the left: who knows when it knows is best there.",
      svg: riskChart(evaluations),
    },
    {
      id: "pit",
      title: "Where truths lie in their forecasts",
      caption:
        "Mean over tasks; flat is calibrated, a hill in the middle too wide, hills at the sides too narrow, a slope too fast or too slow.",
      svg: transformChart(evaluations),
    },
    ...asked.map((one, index) => ({
      id: index === 0 ? "ranks" : `ranks-${index + 1}`,
      title: `Ranks by task: ${one.label}`,
      caption: `Forecast rank to the right, true rank upwards; the number is Spearman's. At most ${mostDots} kernels of a task are drawn.`,
      svg: rankChart(one),
    })),
  ];
}

function renderPage({ evaluations, setting }: EvaluationResult, sections: readonly Section[]): string {
  const { tasks = 0, kernels = 0, pairs = 0 } = evaluations[0]?.scores ?? {};
  const evidence = evaluations.some(({ judged }) => judged.some(({ withEvidence }) => withEvidence > 0));
  const asked = evaluations.filter(({ isBaseline }) => !isBaseline);
  const notes = new Set([...setting.notes, ...asked.flatMap(evaluationNotes)]);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Forecasters on ${setting.recording}</title>
        <style>
          ${raw(paletteStyles(":root"))}${raw(layout)}
        </style>
      </head>
      <body>
        <h1>Forecasters on ${setting.recording}</h1>
        <p>
          Split ${setting.split}: ${tasks} tasks, ${kernels} kernels, ${pairs} pairs, measured on ${setting.device}.
          View <code>${setting.view}</code>, ${evidence ? "with" : "without"} compile evidence, seed ${setting.seed}.
        </p>
        ${[...notes].map((note) => html`<p class="caption">${note}.</p>`)}
        <section id="scores">
          <h2>Scores</h2>
          <div class="wide">${scoreTable(evaluations)}</div>
          <p class="caption">Means over tasks with the 95 % interval of a bootstrap over tasks.</p>
        </section>
        ${worthSection(asked, setting.gpu_usd_per_hour)} ${sections.map(renderSection)} ${asked.map(taskSection)}
      </body>
    </html> `;
  return page.markup;
}

/** Whether those that cost money or tokens are worth asking; nothing where none did. */
function worthSection(asked: readonly Evaluation[], gpuUsdPerHour: number | undefined): Html {
  const costly = asked.flatMap((one) => {
    const { tokens, usd } = forecastCosts(one);
    return tokens > 0 || usd > 0 ? [{ ...one, tokens, usd }] : [];
  });
  if (costly.length === 0) return html``;
  const lines = costly.map((one) => {
    const worth = worthText(worthDocument(worthOfForecaster(one), gpuUsdPerHour), gpuUsdPerHour);
    const cost = `${one.tokens} tokens${one.usd > 0 ? ` and ${Number(one.usd.toPrecision(3))} USD` : ""}`;
    return html`<p>${one.label}: ${cost}, kept answers included. ${worth}.</p>`;
  });
  return html`<section id="worth">
    <h2>Worth it?</h2>
    ${lines}
    <p class="caption">
      By list prices. Measurements spared: until a kernel within 5 % of its task's fastest is found, the mean over all
      orders less the place in the forecasts' order. Device time alone is counted.
    </p>
  </section>`;
}

function renderSection({ id, title, caption, svg }: Section): Html {
  return html`<section id="${id}">
    <h2>${title}</h2>
    <div class="wide">${raw(svg)}</div>
    <p class="caption">${caption}</p>
  </section>`;
}

function scoreTable(evaluations: readonly Evaluation[]): Html {
  const rows = [
    ...scoreNames.map((name) => ({ name: name as string, of: ({ scores }: Evaluation) => scores.scores[name] })),
    { name: "ece of all tasks together", of: ({ scores }: Evaluation) => scores.pooledEce },
    {
      name: "that if calibrated",
      of: ({ scores }: Evaluation) => ({ mean: scores.pooledEceIfCalibrated, tasks: scores.tasks }),
    },
  ];
  return html`<table>
    <thead>
      <tr>
        <th></th>
        ${evaluations.map(({ label }) => html`<th>${label}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ name, of }) =>
          html`<tr>
            <td>${name}</td>
            ${evaluations.map((one) => scoreCell(of(one)))}
          </tr>`,
      )}
      <tr>
        <td>kernels per second</td>
        ${evaluations.map((one) => html`<td>${kernelsPerSecond(one) ?? "–"}</td>`)}
      </tr>
    </tbody>
  </table>`;
}

function scoreCell({ mean, low, high }: MeanScore): Html {
  if (mean === undefined) return html`<td>–</td>`;
  const interval = low === undefined || high === undefined ? "" : `${low.toFixed(3)} to ${high.toFixed(3)}`;
  return html`<td>${mean.toFixed(3)}<small>${interval}</small></td>`;
}

const taskColumns = [
  "pairwise",
  "spearman",
  "top tenth within 5 %",
  "crps",
  "crps of prior",
  "coverage 80",
  "ece",
  "aurc",
  "auroc of p_ok",
] as const;

function taskSection({ label, judged, scores }: Evaluation): Html {
  const rows = judged.map(({ taskId, judged: kernels }) => {
    const own = scores.byTask[taskId];
    return html`<tr>
      <td>${taskId}</td>
      <td>${kernels.length}</td>
      ${taskColumns.map((name) => html`<td>${own?.[name]?.toFixed(3) ?? "–"}</td>`)}
    </tr>`;
  });
  return html`<section>
    <h2>By task: ${label}</h2>
    <div class="wide">
      <table>
        <thead>
          <tr>
            <th>task</th>
            <th>kernels</th>
            ${taskColumns.map((name) => html`<th>${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}
