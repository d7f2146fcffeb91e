import type { JudgedLabel } from "../../decide/trust/trust-tracker.ts";
import { keyedStream, normalCdf, normalQuantile } from "../../domain/index.ts";

/** A surrogate as a simulation needs it. Figures of real ones are beside it in `docs/decisions/0016-trust.md`. */
export interface SimulatedSurrogate {
  /** Share of the candidates that win. */
  readonly winRate: number;
  /** Chance that it would skip a win, and one that is none. */
  readonly missedShare: number;
  readonly skipsOthers: number;
  /** Spread of kernels over the width of its forecasts: what is lost when forecasts are permuted. */
  readonly skill: number;
  /** Its errors over what its widths say; above 1 it is too sure of itself. */
  readonly errorScale: number;
  /** Share of an error's variance that all kernels of a run have in common. */
  readonly sharedError: number;
  /** How far p_ok is above the truth, on average. */
  readonly okBias: number;
}

/** Like the shipped ones on the atlas: somewhat too sure, with errors that a task's kernels share. */
export const goodSurrogate: SimulatedSurrogate = {
  winRate: 0.18,
  missedShare: 0.0625,
  skipsOthers: 0.7,
  skill: 2,
  errorScale: 1.1,
  sharedError: 0.15,
  okBias: 0.02,
};

/** Measurements of a run, after which the next task's errors are others. */
const runLength = 32;

/** Makes labels of one history, one after the other. */
export class SimulatedHistory {
  private readonly surrogate: SimulatedSurrogate;
  private readonly uniform: () => number;
  private measured = 0;
  private runError = 0;
  private previous: { readonly m: number; readonly y: number } | undefined;

  constructor(surrogate: SimulatedSurrogate, seed: number, purpose: string) {
    this.surrogate = surrogate;
    this.uniform = keyedStream(seed, purpose);
  }

  private normal(): number {
    return normalQuantile(Math.max(1e-12, this.uniform()));
  }

  /** The label of the next candidate, measured with the chance given; with `permuted` its forecast is another kernel's. */
  next(level: JudgedLabel["level"], audit = 1, permuted = false): JudgedLabel | undefined {
    const { surrogate, uniform } = this;
    if (this.measured++ % runLength === 0) {
      this.runError = this.normal();
      this.previous = undefined;
    }
    const win = uniform() < surrogate.winRate;
    const skip = uniform() < (win ? surrogate.missedShare : surrogate.skipsOthers);
    const probability = skip ? audit : 1;
    if (probability < 1 && uniform() >= probability) return undefined;
    return { level, family: "simulated", skip, win, probability, counts: true, ...this.outcome(permuted) };
  }

  private outcome(permuted: boolean): Pick<JudgedLabel, "ok" | "pOk" | "pit" | "order"> {
    const { surrogate, uniform } = this;
    const pOk = chanceOfOk(uniform());
    const ok = uniform() < (permuted ? chanceOfOk(uniform()) : pOk) - surrogate.okBias;
    if (!ok) return { ok, pOk, pit: null };
    // In units of the forecasts' width.
    const m = surrogate.skill * this.normal();
    const { sharedError, errorScale } = surrogate;
    const error = Math.sqrt(sharedError) * this.runError + Math.sqrt(1 - sharedError) * this.normal();
    const y = m + errorScale * error;
    const told = permuted ? surrogate.skill * this.normal() : m;
    const before = this.previous;
    this.previous = before ? undefined : { m: told, y };
    const pit = normalCdf(y - told);
    if (!before) return { ok, pOk, pit };
    return { ok, pOk, pit, order: { chance: normalCdf((before.m - told) / Math.SQRT2), faster: y < before.y } };
  }
}

/** Most kernels work; some surely do not. */
function chanceOfOk(uniform: number): number {
  return uniform < 0.1 ? 0.3 : 0.8 + 0.19 * ((uniform - 0.1) / 0.9);
}
