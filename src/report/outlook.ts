import type { ReportData } from "./collect.ts";
import { html, type Html } from "./html.ts";

/** What a policy that plans had to say, and what it expected before each batch; nothing for other policies. */
export function outlookSection({ summary, outlooks }: ReportData): Html | undefined {
  const notes = summary.policy_notes ?? [];
  if (notes.length === 0 && outlooks.length === 0) return undefined;
  return html`<section id="outlook">
    <h2>Outlook</h2>
    ${notes.map((note) => html`<p class="note">${note.slice(0, 1).toUpperCase()}${note.slice(1)}.</p>`)}
    <details>
      <summary>What each decision expected of the measurements left</summary>
      <p class="caption">
        Improvement over the incumbent of the moment: by the most valuable candidate alone, and by the measurements
        left, were they spent on what was known then. Decisions are in the order made.
      </p>
      <table>
        <thead>
          <tr>
            <th>batch</th>
            <th>measured before</th>
            <th>measurements left, at most</th>
            <th>best candidate</th>
            <th>all together</th>
          </tr>
        </thead>
        <tbody>
          ${outlooks.map(
            ({ batchId, measured, measurements, bestLog2, gainLog2 }) =>
              html`<tr>
                <td>${batchId}</td>
                <td>${measured}</td>
                <td>${measurements}</td>
                <td>${percent(bestLog2)}</td>
                <td>${percent(gainLog2)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </details>
  </section>`;
}

function percent(log2: number): string {
  return `${(100 * (2 ** log2 - 1)).toFixed(1)} %`;
}
