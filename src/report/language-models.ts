import { worthText } from "../decide/worth.ts";
import type { CallSummary, SearchSummary } from "../search/summary.ts";
import { html, type Html } from "./html.ts";

/** What the run asked of language models: calls, cost, waiting, and what was wrong, by purpose; undefined where it asked none. */
export function languageModelSection(summary: SearchSummary): Html | undefined {
  const { language_models: calls, forecast_failures, answer_faults, proposal_failures, worth } = summary;
  if (!calls) return undefined;
  const faults: readonly (readonly [string, Readonly<Record<string, number>> | undefined])[] = [
    ["Kernels without a forecast", forecast_failures],
    ["Forecasters' answers at fault, also where asking again cured it", answer_faults],
    ["Proposals that came to nothing", proposal_failures?.by_kind],
  ];
  return html`<section id="language-models">
    <h2>Language models</h2>
    <table>
      <thead>
        <tr>
          ${headers.map((name) => html`<th>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${calls.map(callRow)}
      </tbody>
    </table>
    ${faults.map(([name, counts]) => (counts ? html`<p>${name}: ${countsOf(counts)}.</p>` : html``))}
    ${worth ? html`<p id="worth">Worth it? By list prices, kept answers as when they were made: ${worthText(worth)}.</p>` : html``}
    <p class="caption">
      Kept: answered by an earlier call's answer, at no cost. USD by list prices. Seconds are those of calls that were
      sent.
    </p>
  </section>`;
}

const headers = [
  "model",
  "purpose",
  "calls",
  "kept",
  "failed",
  "why",
  "requests",
  "tokens in",
  "of which cached",
  "tokens out",
  "USD",
  "mean s",
  "longest s",
];

function callRow(row: CallSummary): Html {
  const { latency_seconds: latency } = row;
  return html`<tr>
    <td><code>${row.model}</code></td>
    <td>${row.purpose}</td>
    <td>${row.calls}</td>
    <td>${row.kept}</td>
    <td>${row.failed}</td>
    <td>${countsOf(row.faults)}</td>
    <td>${row.requests}</td>
    <td>${row.input_tokens}</td>
    <td>${row.cached_input_tokens}</td>
    <td>${row.output_tokens}</td>
    <td>${row.usd ?? "not known"}</td>
    <td>${latency.mean.toFixed(2)}</td>
    <td>${latency.longest.toFixed(2)}</td>
  </tr>`;
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
