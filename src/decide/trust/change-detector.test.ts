import { describe, expect, test } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { ChangeDetector, type DetectorLabel } from "./change-detector.ts";

/** Measurements until an alarm, of `most` at most. */
function until(next: () => DetectorLabel, most: number): number {
  const detector = new ChangeDetector(0.05, 2000);
  for (let seen = 1; seen <= most; seen++) if (detector.see(next())) return seen;
  return Number.POSITIVE_INFINITY;
}

const sound = (uniform: () => number) => (): DetectorLabel => {
  const ok = uniform() < 0.9;
  return { ok, pOk: 0.9, pit: ok ? uniform() : null };
};

describe("an alarm", () => {
  test("is rare while forecasts hold", () => {
    const alarms = Array.from({ length: 60 }, (_, seed) => until(sound(keyedStream(seed, "sound")), 2000));
    expect(alarms.filter(Number.isFinite).length).toBeLessThanOrEqual(2);
  });

  const broken: Readonly<Record<string, (uniform: () => number) => DetectorLabel>> = {
    "far too narrow": (uniform) => ({ ok: true, pOk: 0.9, pit: uniform() < 0.5 ? 0.001 : 0.999 }),
    "kernels slower": () => ({ ok: true, pOk: 0.9, pit: 0.995 }),
    "kernels faster": () => ({ ok: true, pOk: 0.9, pit: 0.005 }),
    "too wide": (uniform) => ({ ok: true, pOk: 0.9, pit: 0.4 + 0.2 * uniform() }),
    "half of them fail": (uniform) => {
      const ok = uniform() < 0.5;
      return { ok, pOk: 0.95, pit: ok ? uniform() : null };
    },
    "none fails": (uniform) => ({ ok: true, pOk: 0.3, pit: uniform() }),
    "in another order": (uniform) => {
      return { ok: true, pOk: 0.9, pit: uniform(), order: { chance: 0.95, faster: uniform() < 0.5 } };
    },
  };
  for (const [what, next] of Object.entries(broken)) {
    test(`comes soon: ${what}`, () => {
      const uniform = keyedStream(1, what);
      expect(until(() => next(uniform), 120)).toBeLessThanOrEqual(120);
    });
  }
});

test("good history does not dilute what comes after", () => {
  const uniform = keyedStream(7, "long");
  const detector = new ChangeDetector(0.05, 2000);
  const good = sound(uniform);
  for (let seen = 0; seen < 1500; seen++) expect(detector.see(good())).toBeUndefined();
  let seen = 0;
  while (!detector.see({ ok: true, pOk: 0.9, pit: 0.999 })) seen++;
  expect(seen).toBeLessThan(20);
});

test("says what it is alarmed by", () => {
  const detector = new ChangeDetector(0.05, 2000);
  let alarm;
  while (!alarm) alarm = detector.see({ ok: false, pOk: 0.97, pit: null });
  expect(alarm.what).toBe("more failures than forecast");
});
