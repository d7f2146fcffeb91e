import { CalibrationBets } from "./calibration-bets.ts";
import { ChangeDetector, freshDetector } from "./change-detector.ts";
import { MissedWinsBet, VetoBet } from "./missed-wins.ts";
import type { TrustSettings } from "./settings.ts";
import { trustLevels, type TrustLabel, type TrustLevel } from "../../domain/index.ts";
import { freshEvidence, freshFamily, leastAudit, promotionLimit, type TrustRecord } from "./trust-record.ts";

/** A change of trust, with why in one line. */
export type TrustChange =
  | { readonly kind: "level"; readonly from: TrustLevel; readonly to: TrustLevel; readonly reason: string }
  | { readonly kind: "veto" | "veto-lifted"; readonly family: string; readonly reason: string };

/** What of a label trust is judged by. */
export type JudgedLabel = Pick<
  TrustLabel,
  "level" | "family" | "skip" | "probability" | "win" | "ok" | "pOk" | "pit" | "order" | "counts"
>;

/** Follows a record, which it updates in place, label by label. */
export class TrustTracker {
  readonly record: TrustRecord;
  readonly settings: TrustSettings;
  private winsBet!: MissedWinsBet;
  private calibration!: CalibrationBets;
  private detector!: ChangeDetector;

  constructor(record: TrustRecord, settings: TrustSettings) {
    this.record = record;
    this.settings = settings;
    this.open();
  }

  private open(): void {
    const { record, settings } = this;
    const { evidence } = record;
    const least = leastAudit(record.level, settings);
    this.winsBet = new MissedWinsBet(settings.missedShare, least, evidence.winsWealth);
    this.calibration = new CalibrationBets(settings, evidence.calibrationWealths);
    this.detector = new ChangeDetector(settings.falseDemotion, settings.demotionHorizon, record.detector);
  }

  /** What the surrogate may do in a family. */
  levelIn(family: string): TrustLevel {
    return this.record.families[family]?.vetoed ? "shadow" : this.record.level;
  }

  /** Takes a label in and gives what it changed. */
  see(label: JudgedLabel): readonly TrustChange[] {
    const { record } = this;
    const atLevel = label.level === record.level;
    if (atLevel) this.gather(label);
    const veto = this.seeFamily(label);
    const alarm = this.detector.see(label);
    const changes: TrustChange[] = veto ? [veto] : [];
    if (alarm) {
      const change = this.lose(
        `forecasts no longer hold: ${alarm.what}, after ${alarm.measurements} measurements at this level`,
      );
      return change ? [...changes, change] : changes;
    }
    if (!atLevel || !label.counts || record.level === "live" || !this.isEarned()) return changes;
    return [...changes, this.setLevel(record.level === "shadow" ? "canary" : "live", this.whyEarned())];
  }

  /** Sets the level and starts gathering anew; trust that is taken away makes the next promotion dearer. */
  setLevel(to: TrustLevel, reason: string): Extract<TrustChange, { kind: "level" }> {
    const { record } = this;
    const { level: from } = record;
    if (trustLevels.indexOf(to) < trustLevels.indexOf(from)) record.losses++;
    record.level = to;
    record.evidence = freshEvidence(this.settings);
    record.detector = freshDetector();
    this.open();
    return { kind: "level", from, to, reason };
  }

  /** What the surrogate still lacks for the next level, in words; nothing where it is earned, or at the top. */
  obstacles(): readonly string[] {
    const { record, settings, winsBet, calibration } = this;
    if (record.level === "live") return [];
    const { wins, missed, spared, labels } = record.evidence;
    const limit = promotionLimit(record.losses, settings);
    const capital = (log: number): string => `capital ${figure(Math.exp(log))} of ${figure(Math.exp(limit))}`;
    return [
      ...(wins < settings.leastWins ? [`${wins} of ${settings.leastWins} wins seen`] : []),
      ...(winsBet.log < limit ? [`missed wins: ${missed} of ${wins}, ${capital(winsBet.log)}`] : []),
      ...calibration.each
        .filter(({ log }) => log < limit)
        .map(({ what, log }) => `not refuted yet: ${what}, ${capital(log)}`),
      ...(spared < settings.leastSpared * labels ? [`it spares only ${spared} of ${labels} candidates`] : []),
    ];
  }

  /** Capital won against each hypothesis that stands between the surrogate and the next level. */
  get capitals(): readonly { readonly against: string; readonly capital: number }[] {
    const percent = Math.round(100 * this.settings.missedShare);
    return [
      { against: `${percent} % of the wins missed, or more`, log: this.winsBet.log },
      ...this.calibration.each.map(({ what, log }) => ({ against: what, log })),
    ].map(({ against, log }) => ({ against, capital: Math.exp(Math.min(log, mostLog)) }));
  }

  /** Logarithm of the capital of the bet on missed wins. */
  get winsLog(): number {
    return this.winsBet.log;
  }

  /** How far the detector is towards an alarm, 0–1. */
  get alertness(): number {
    return this.detector.alertness;
  }

  private isEarned(): boolean {
    const { record, settings } = this;
    const { wins, spared, labels } = record.evidence;
    if (wins < settings.leastWins || spared < settings.leastSpared * labels) return false;
    const limit = promotionLimit(record.losses, settings);
    return this.winsBet.log >= limit && this.calibration.log >= limit;
  }

  private whyEarned(): string {
    const { wins, missed, labels, spared } = this.record.evidence;
    const percent = Math.round(100 * this.settings.missedShare);
    return `it would have caught ${wins - missed} of ${wins} wins among ${labels} candidates and spared ${spared}: that it misses ${percent} % or more is refuted, and its forecasts are calibrated`;
  }

  /** Back to shadow. There nothing is lost, but what was shown of calibration before a break says nothing of what comes after. */
  private lose(reason: string): TrustChange | undefined {
    const { record, settings } = this;
    if (record.level !== "shadow") return this.setLevel("shadow", reason);
    record.evidence.calibrationWealths = new CalibrationBets(settings).wealths;
    record.detector = freshDetector();
    this.open();
    return undefined;
  }

  private gather(label: JudgedLabel): void {
    const { evidence } = this.record;
    this.calibration.see(label);
    if (!label.counts) return;
    evidence.labels++;
    if (label.skip) evidence.spared++;
    if (!label.win) return;
    evidence.wins++;
    if (label.skip) evidence.missed++;
    this.winsBet.see(label);
  }

  private seeFamily(label: JudgedLabel): TrustChange | undefined {
    const { record, settings } = this;
    const { missedShare, canaryAudit, falsePromotion } = settings;
    if (!label.counts || !label.win || label.probability < canaryAudit) return undefined;
    const family = (record.families[label.family] ??= freshFamily(settings));
    family.wins++;
    if (label.skip) family.missed++;
    const limit = -Math.log(falsePromotion);
    const reason = `${family.missed} of ${family.wins} wins in ${label.family} would have been skipped`;
    if (family.vetoed) {
      const lifting = new MissedWinsBet(missedShare, canaryAudit, family.winsWealth);
      lifting.see(label);
      restartWhenLow(family.winsWealth);
      if (lifting.log < limit + Math.log(liftingWins)) return undefined;
      record.families[label.family] = freshFamily(settings);
      return { kind: "veto-lifted", family: label.family, reason };
    }
    const bet = new VetoBet(missedShare, canaryAudit, family.vetoWealth);
    bet.see(label);
    if (bet.log < limit) return undefined;
    family.vetoed = true;
    return { kind: "veto", family: label.family, reason };
  }
}

/** A capital that is told as a number stays one. */
const mostLog = 690;

/** A veto is lifted falsely once in this many wins over α at the most often. */
const liftingWins = 50;

/** What a family did before it mended is forgotten, bet by bet. */
function restartWhenLow(wealth: number[]): void {
  for (let bet = 0; bet < wealth.length; bet++) wealth[bet] = Math.max(0, wealth[bet] as number);
}

function figure(value: number): string {
  return String(Number(value.toPrecision(2)));
}
