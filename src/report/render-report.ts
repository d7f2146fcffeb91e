import type { RunStore, Task } from "../domain/index.ts";
import { forecastChart, progressChart, treeChart, treeLegend } from "./charts.ts";
import { collectReport, type ReportData } from "./collect.ts";
import { diffView } from "./diff-view.ts";
import { html, raw, type Html } from "./html.ts";
import { languageModelSection } from "./language-models.ts";
import { outlookSection } from "./outlook.ts";
import { styles } from "./styles.ts";
import { trustSection } from "./trust.ts";

/** A run's report as one self-contained HTML file, from its log alone. Throws `KernelcastError("store", …)`. */
export function renderReport(store: RunStore, runId: string, task: Task): string {
  const data = collectReport(store, runId);
  const forecast = forecastChart(data);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${data.summary.task}: kernelcast report</title>
        <style>
          ${raw(styles)}
        </style>
      </head>
      <body>
        <header>
          <h1>${task.title}</h1>
          <p class="headline" id="headline">${headline(data)}</p>
          <p>
            Run <code>${runId}</code> on <code>${data.summary.device}</code>, policy ${data.config.policy}, forecaster
            ${data.config.forecaster}, seed ${data.config.seed}. Every figure here was measured; forecasts are shown
            only as forecasts.
          </p>
        </header>
        ${figures(data)} ${progressSection(data)}
        <section id="diff">
          <h2>Best kernel against the seed</h2>
          ${diffView(data.seedSource, data.bestSource)}
          <details>
            <summary>The best kernel's whole source</summary>
            <pre>${data.bestSource}</pre>
          </details>
        </section>
        <section id="forecasts">
          <h2>Forecast against truth</h2>
          ${forecast === undefined ? html`<p>This policy asked for no forecasts.</p>` : html`${raw(forecast)}${forecastCaption}`}
        </section>
        ${languageModelSection(data.summary)}
        <section id="tree">
          <h2>Derivation tree</h2>
          <div class="wide">${raw(treeChart(data))}</div>
          ${treeCaption}
        </section>
        ${outlookSection(data)} ${trustSection(data.trust, data.tracker)}
        <section id="decisions">
          <h2>Decisions</h2>
          ${decisionTable(data)}
        </section>
        <section id="measurements">
          <h2>Measurements</h2>
          ${measurementTable(data)}
        </section>
      </body>
    </html>`;
  return page.markup;
}

const progressSection = (data: ReportData) =>
  html`<section id="progress">
    <h2>Progress</h2>
    ${raw(progressChart(data))}
    <p class="caption">Dots: kernels measured; line: the incumbent; dashed: the seed.</p>
  </section>`;

function headline({ summary }: ReportData): string {
  const { best, seed_kernel: seed } = summary;
  if (!best || best.kernel_id === seed.kernel_id) return "No kernel faster than the seed was found.";
  const confirmed = best.confirmed ? "confirmed by paired measurement" : "not yet confirmed";
  return `${best.speedup.toFixed(2)}x: ${best.runtime_us.toFixed(1)} µs against the seed's ${(seed.runtime_us ?? 0).toFixed(1)} µs, ${confirmed}.`;
}

const treeCaption = html`<p class="caption">
  Colours: ${treeLegend.map(([name, colour]) => html`<span class="key" style="color: ${colour}">● ${name}</span> `)}
  Each kernel stands to the right of the one that it was made from.
</p>`;

const forecastCaption = html`<p class="caption">
  Dots: kernels that were forecast and measured; bars: the forecast's 80 % interval; on the dashed line forecast and
  measurement agree.
</p>`;

function figures({ summary }: ReportData): Html {
  const { spent } = summary;
  const entries: readonly (readonly [string, string | number])[] = [
    ["considered", summary.considered],
    ["measured", summary.measured],
    ["skipped", summary.skipped],
    ["audited", summary.audited],
    ["duplicates", summary.duplicates],
    ["failed", summary.failed],
    ...(summary.proposal_failures ? [["proposals lost", summary.proposal_failures.count] as const] : []),
    ["GPU-seconds", spent.gpu_seconds],
    ["CPU-seconds", spent.cpu_seconds],
    ["wall seconds", spent.wall_seconds],
    ["tokens", spent.tokens],
    ["USD", spent.usd],
    ["stopped by", summary.stopped ?? "still running"],
  ];
  return html`<section id="spending" class="figures">
    ${entries.map(([name, value]) => html`<div><b>${value}</b><span>${name}</span></div>`)}
  </section>`;
}

function decisionTable({ decisions }: ReportData): Html {
  const rows = decisions.map(({ batchId, parentId, decision, outcome }) => {
    const { kernelId, action, reason, numbers } = decision;
    const figuresText = Object.entries(numbers)
      .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
      .join(", ");
    return html`<tr class="${action}">
      <td>${batchId}</td>
      <td><code>${parentId}</code></td>
      <td><code>${kernelId}</code></td>
      <td>${action}</td>
      <td>${reason}</td>
      <td>${figuresText}</td>
      <td>${outcome}</td>
    </tr>`;
  });
  return html`<table>
    <thead>
      <tr>
        <th>batch</th>
        <th>parent</th>
        <th>kernel</th>
        <th>decision</th>
        <th>reason</th>
        <th>numbers</th>
        <th>outcome</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}

function measurementTable({ measurements }: ReportData): Html {
  const rows = measurements.map((measurement) => {
    const { confirmation } = measurement;
    const ratio = confirmation
      ? `${(2 ** confirmation.logRatio).toFixed(4)} [${(2 ** confirmation.low).toFixed(4)}, ${(2 ** confirmation.high).toFixed(4)}] of ${confirmation.anchorId}`
      : "";
    return html`<tr class="${measurement.isWin ? "win" : measurement.status}">
      <td>${measurement.number}</td>
      <td><code>${measurement.kernelId}</code></td>
      <td>${measurement.mode}</td>
      <td>${measurement.status}</td>
      <td>${measurement.runtimeUs?.toFixed(2)}</td>
      <td>${ratio}</td>
      <td>${measurement.gpuSeconds.toFixed(3)}</td>
      <td>${measurement.error}</td>
    </tr>`;
  });
  return html`<table>
    <thead>
      <tr>
        <th>#</th>
        <th>kernel</th>
        <th>mode</th>
        <th>status</th>
        <th>µs</th>
        <th>ratio to anchor (95 %)</th>
        <th>GPU-s</th>
        <th>error</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}
