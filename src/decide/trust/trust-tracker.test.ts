import { describe, expect, test } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { defaultTrustSettings as settings } from "./settings.ts";
import { freshRecord, promotionLimit } from "./trust-record.ts";
import { TrustTracker, type JudgedLabel } from "./trust-tracker.ts";

interface Behaviour {
  readonly missed: number;
  readonly skipsOthers: number;
  readonly family?: string;
  readonly pit?: (uniform: number) => number;
}

function stream(seed: number, { missed, skipsOthers, family = "matmul", pit = (value) => value }: Behaviour) {
  const uniform = keyedStream(seed, "tracker");
  return (tracker: TrustTracker): JudgedLabel => {
    const { level } = tracker.record;
    const win = uniform() < 0.25;
    const skip = uniform() < (win ? missed : skipsOthers);
    const probability = skip && level !== "shadow" ? settings.canaryAudit : 1;
    return { level, family, skip, win, probability, counts: true, ok: true, pOk: 0.99, pit: pit(uniform()) };
  };
}

function after(tracker: TrustTracker, labels: number, next: (tracker: TrustTracker) => JudgedLabel) {
  return Array.from({ length: labels }, () => tracker.see(next(tracker))).flat();
}

describe("promotion", () => {
  test("a surrogate that catches the wins goes from shadow to canary to live, with reasons", () => {
    const tracker = new TrustTracker(freshRecord(settings), settings);
    const changes = after(tracker, 1500, stream(1, { missed: 0.03, skipsOthers: 0.7 }));
    expect(changes.map((change) => (change.kind === "level" ? change.to : change.kind))).toEqual(["canary", "live"]);
    expect(changes[0]?.reason).toMatch(/would have caught \d+ of \d+ wins/);
    expect(tracker.obstacles()).toEqual([]);
  });

  test("not before the least number of wins", () => {
    const tracker = new TrustTracker(freshRecord(settings), { ...settings, leastWins: 1000 });
    expect(after(tracker, 1500, stream(1, { missed: 0, skipsOthers: 0.7 }))).toEqual([]);
    expect(tracker.obstacles()[0]).toMatch(/of 1000 wins seen/);
  });

  test("not for one that skips at random, nor one that spares nothing, nor one whose forecasts are off", () => {
    const wrong: readonly Behaviour[] = [
      { missed: 0.7, skipsOthers: 0.7 },
      { missed: 0, skipsOthers: 0.02 },
      { missed: 0.03, skipsOthers: 0.7, pit: (value) => value ** 0.4 },
    ];
    for (const behaviour of wrong) {
      const tracker = new TrustTracker(freshRecord(settings), settings);
      after(tracker, 1500, stream(2, behaviour));
      expect(tracker.record.level).toBe("shadow");
      expect(tracker.obstacles().length).toBeGreaterThan(0);
    }
  });

  test("labels that do not count, and those of another level, earn nothing", () => {
    const tracker = new TrustTracker(freshRecord(settings), settings);
    const next = stream(1, { missed: 0, skipsOthers: 0.7 });
    for (let label = 0; label < 800; label++)
      tracker.see({ ...next(tracker), counts: label % 2 === 0, level: label % 2 === 0 ? "live" : "shadow" });
    expect(tracker.record.level).toBe("shadow");
    expect(tracker.record.evidence.labels).toBe(0);
  });
});

test("a surrogate that breaks is demoted to shadow, and the next promotion is dearer", () => {
  const tracker = new TrustTracker(freshRecord(settings, "live"), settings);
  expect(after(tracker, 500, stream(3, { missed: 0.03, skipsOthers: 0.7 }))).toEqual([]);
  const changes = after(
    tracker,
    100,
    stream(4, { missed: 0.03, skipsOthers: 0.7, pit: (value) => (value < 0.5 ? 0.002 : 0.998) }),
  );
  expect(changes[0]).toMatchObject({ kind: "level", from: "live", to: "shadow" });
  expect(tracker.record.losses).toBe(1);
  expect(promotionLimit(1, settings)).toBeGreaterThan(promotionLimit(0, settings));
});

test("chances of false promotions after each loss add up to at most what is allowed", () => {
  let sum = 0;
  for (let losses = 0; losses < 10_000; losses++) sum += Math.exp(-promotionLimit(losses, settings));
  expect(sum).toBeLessThanOrEqual(settings.falsePromotion);
  expect(sum).toBeGreaterThan(0.99 * settings.falsePromotion);
});

test("a family whose wins are missed is vetoed, others are not, and the veto can be lifted", () => {
  const tracker = new TrustTracker(freshRecord(settings, "canary"), settings);
  const bad = after(tracker, 400, stream(5, { missed: 0.8, skipsOthers: 0.8, family: "sort" }));
  expect(bad.some(({ kind }) => kind === "veto")).toBe(true);
  expect(tracker.levelIn("sort")).toBe("shadow");
  expect(tracker.levelIn("matmul")).toBe("canary");
  const good = after(tracker, 800, stream(6, { missed: 0, skipsOthers: 0.8, family: "sort" }));
  expect(good.some(({ kind }) => kind === "veto-lifted")).toBe(true);
});

test("a record that was kept as JSON goes on as it would have", () => {
  const [one, other] = [freshRecord(settings), freshRecord(settings)];
  const next = stream(8, { missed: 0.05, skipsOthers: 0.7 });
  const labels = Array.from({ length: 300 }, () => next(new TrustTracker(freshRecord(settings), settings)));
  const straight = new TrustTracker(one, settings);
  for (const label of labels) straight.see(label);
  let kept = new TrustTracker(other, settings);
  for (const label of labels) {
    kept.see(label);
    kept = new TrustTracker(JSON.parse(JSON.stringify(kept.record)), settings);
  }
  expect(kept.record).toEqual(straight.record);
});
