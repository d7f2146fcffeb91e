import fc from "fast-check";
import { expect, test } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { MissedWinsBet, VetoBet, type WinLabel } from "./missed-wins.ts";

const rho = 0.25;

/** Labels of a surrogate that would skip a share of the wins, audited with a chance. */
function play(missed: number, audit: number, seed: number, wins: number, bet: { see(label: WinLabel): void }): void {
  const uniform = keyedStream(seed, "missed", missed, audit);
  for (let win = 0; win < wins; win++) {
    const skip = uniform() < missed;
    if (skip && uniform() >= audit) continue;
    bet.see({ skip, win: true, probability: skip ? audit : 1 });
  }
}

test("no bet is expected to gain at the boundary, whatever the chance of an audit", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.05, max: 1, noNaN: true }), (audit) => {
      const bets = [
        new MissedWinsBet(rho, audit),
        new MissedWinsBet(rho, audit),
        new MissedWinsBet(rho, audit),
      ] as const;
      bets[0].see({ skip: true, win: true, probability: audit });
      bets[1].see({ skip: false, win: true, probability: 1 });
      const missedAndMeasured = rho * audit;
      const mean = (bet: number): number =>
        missedAndMeasured * Math.exp(bets[0].wealth[bet] as number) +
        (1 - rho) * Math.exp(bets[1].wealth[bet] as number) +
        rho * (1 - audit);
      expect(mean(0)).toBeCloseTo(1, 9);
      expect(mean(1)).toBeCloseTo(1, 9);
    }),
  );
});

test("a candidate that wins nothing says nothing", () => {
  const bet = new MissedWinsBet(rho, 1);
  bet.see({ skip: true, win: false, probability: 1 });
  bet.see({ skip: false, win: false, probability: 1 });
  expect(bet.log).toBe(0);
});

test("no outcome ruins a bet for good, so that its logarithm stays finite", () => {
  const bet = new MissedWinsBet(rho, 0.5);
  for (let win = 0; win < 100; win++) bet.see({ skip: true, win: true, probability: 0.5 });
  expect(bet.log).toBeLessThan(-50);
  expect(Number.isFinite(bet.log)).toBe(true);
});

test("a surrogate that misses a sixteenth of the wins is told from one at the boundary", () => {
  const logs = (missed: number): number[] =>
    Array.from({ length: 200 }, (_, seed) => {
      const bet = new MissedWinsBet(rho, 1);
      play(missed, 1, seed, 100, bet);
      return bet.log;
    });
  const limit = Math.log(20);
  expect(logs(1 / 16).filter((log) => log > limit).length).toBeGreaterThan(190);
  expect(logs(rho).filter((log) => log > limit).length).toBeLessThan(10);
});

test("the veto is the opposite bet", () => {
  const veto = new VetoBet(rho, 1);
  play(0.7, 1, 1, 60, veto);
  expect(veto.log).toBeGreaterThan(Math.log(20));
  const none = new VetoBet(rho, 1);
  play(0.05, 1, 1, 60, none);
  expect(none.log).toBeLessThan(0);
});
