import type { TrustTracker } from "../decide/trust/trust-tracker.ts";
import type { RunStore, TrustLabel } from "../domain/index.ts";
import type { SearchInput, SearchNote } from "../search/events.ts";
import type { TrustStart } from "../search/trust.ts";
import { html, type Html } from "./html.ts";

type Seal = Extract<SearchNote, { type: "forecast-seal" }>;
type Change = Extract<SearchNote, { type: "trust-change" }>;

/** One sealed forecast that was measured, with the places of both in the log. */
interface SealedOutcome {
  readonly label: TrustLabel;
  readonly sealedAt: number;
  readonly knownAt: number;
}

/** What a run's log says of trust. */
export interface ReportTrust {
  readonly start: TrustStart;
  readonly seals: readonly Seal[];
  readonly outcomes: readonly SealedOutcome[];
  readonly changes: readonly { readonly note: Change; readonly after: number }[];
  /** Receipts of sealed measurements, and those of them that echo the seal. */
  readonly receipts: { readonly kept: number; readonly echoed: number };
}

/** Collects what a log says of trust, input by input. */
export class TrustCollector {
  private start: TrustStart | undefined;
  private readonly seals: Seal[] = [];
  private readonly places = new Map<string, number>();
  private readonly sealOf = new Map<string, string>();
  private readonly outcomes: SealedOutcome[] = [];
  private readonly changes: { note: Change; after: number }[] = [];
  private readonly receipts = { kept: 0, echoed: 0 };
  private place = 0;
  private readonly store: RunStore;

  constructor(store: RunStore) {
    this.store = store;
  }

  see(input: SearchInput, notes: readonly SearchNote[]): void {
    this.place++;
    if (input.type === "trust-start") this.start = input;
    if (input.type === "measurement-end") this.seeReceipt(input);
    for (const note of notes) {
      this.place++;
      if (note.type === "forecast-seal") {
        this.seals.push(note);
        this.places.set(note.seal, this.place);
        this.sealOf.set(note.kernelId, note.seal);
      }
      if (note.type === "trust-label") {
        const { label } = note;
        this.outcomes.push({ label, sealedAt: this.places.get(label.seal) ?? 0, knownAt: this.place });
      }
      if (note.type === "trust-change") this.changes.push({ note, after: this.outcomes.length });
    }
  }

  private seeReceipt({ commandId, measurement }: Extract<SearchInput, { type: "measurement-end" }>): void {
    const sealed = this.sealOf.get(measurement.kernelId);
    const text = measurement.receiptSha256 && this.store.blob(measurement.receiptSha256);
    if (sealed === undefined || !text || commandId.startsWith("confirm:")) return;
    this.receipts.kept++;
    if ((JSON.parse(text) as { readonly sealed?: unknown }).sealed === sealed) this.receipts.echoed++;
  }

  get trust(): ReportTrust | undefined {
    const { start, seals, outcomes, changes, receipts } = this;
    return start && { start, seals, outcomes, changes, receipts };
  }
}

/** Why the surrogate was trusted, or was not; nothing where no trust was asked for. */
export function trustSection(trust: ReportTrust | undefined, tracker: TrustTracker | undefined): Html | undefined {
  if (!trust || !tracker) return undefined;
  const { start, outcomes, changes } = trust;
  const level = tracker.record.level;
  const heading =
    level === "shadow" ? "Why this surrogate was not trusted" : `Why this surrogate was trusted (${level})`;
  return html`<section id="trust">
    <h2>${heading}</h2>
    <p>
      ${start.key.surrogate} on ${start.key.device}, asked for as <code>${start.mode}</code>: it started in
      <b>${start.record.level}</b> and ended in <b>${level}</b>. ${outcomes.length} of its sealed forecasts were
      measured in this run. A would-be skip is a forecast that gives less than
      ${(100 * start.settings.skipBelow).toFixed(0)} % to beat the incumbent.
    </p>
    ${changeList(changes)} ${lackingList(tracker)} ${chainText(trust)}
    <details>
      <summary>Sealed forecasts and what came of them, in the order known</summary>
      ${outcomeTable(outcomes)}
    </details>
  </section>`;
}

function changeList(changes: ReportTrust["changes"]): Html {
  if (changes.length === 0) return html`<p>Trust did not change in this run.</p>`;
  return html`<ol>
    ${changes.map(({ note: { change }, after }) => {
      const what = change.kind === "level" ? `${change.from} → ${change.to}` : `${change.kind} of ${change.family}`;
      return html`<li><b>${what}</b> after ${after} outcomes: ${change.reason}.</li>`;
    })}
  </ol>`;
}

function lackingList(tracker: TrustTracker): Html {
  const lacking = tracker.obstacles();
  const alert = `The detector of changes is ${Math.round(100 * tracker.alertness)} % of the way to an alarm.`;
  if (lacking.length === 0) return html`<p>${alert}</p>`;
  return html`<p>For the next level it lacks: ${lacking.join("; ")}. ${alert}</p>`;
}

function chainText({ seals, outcomes, receipts }: ReportTrust): Html {
  const [first, last] = [seals[0], seals.at(-1)];
  if (!first || !last) return html`<p>No forecast was sealed.</p>`;
  const late = outcomes.filter(({ sealedAt, knownAt }) => sealedAt >= knownAt).length;
  const echo =
    receipts.kept === 0
      ? "The device keeps no receipts."
      : `${receipts.echoed} of ${receipts.kept} receipts echo the seal that they were sent with.`;
  return html`<p>
    ${seals.length} forecasts were sealed, each with the digest of the one before: from
    <code>${first.seal.slice(0, 16)}</code> to <code>${last.seal.slice(0, 16)}</code>. ${late} of the outcomes were
    known before their seal. ${echo} This shows tampering with the log; it proves nothing to a stranger.
  </p>`;
}

function outcomeTable(outcomes: readonly SealedOutcome[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th>kernel</th>
        <th>seal</th>
        <th>sealed as event</th>
        <th>known as event</th>
        <th>level</th>
        <th>would-be decision</th>
        <th>measured with</th>
        <th>p_ok</th>
        <th>outcome</th>
        <th>PIT</th>
        <th>counts</th>
      </tr>
    </thead>
    <tbody>
      ${outcomes.map(outcomeRow)}
    </tbody>
  </table>`;
}

function outcomeRow({ label, sealedAt, knownAt }: SealedOutcome): Html {
  const outcome = label.ok ? (label.win ? "win" : "no win") : "failed";
  return html`<tr class="${label.win && label.skip ? "incorrect" : ""}">
    <td><code>${label.kernelId}</code></td>
    <td><code>${label.seal.slice(0, 12)}</code></td>
    <td>${sealedAt}</td>
    <td>${knownAt}</td>
    <td>${label.level}</td>
    <td>${label.skip ? "skip" : "measure"}</td>
    <td>${label.probability.toPrecision(3)}</td>
    <td>${label.pOk.toFixed(3)}</td>
    <td>${outcome}</td>
    <td>${label.pit?.toFixed(3)}</td>
    <td>${label.counts ? "yes" : "no"}</td>
  </tr>`;
}
