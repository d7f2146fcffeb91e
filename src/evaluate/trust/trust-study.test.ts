import { describe, expect, it } from "vitest";
import { shareEstimate } from "./estimates.ts";
import { trustCareers, trustFigures } from "./trust-study.ts";

describe("the study of trust, on fewer histories than its bench", () => {
  const figures = trustFigures({ histories: 120 });

  it("gives trust wrongly as seldom as it says", () => {
    expect(figures.false_promotion_at_boundary.value).toBeLessThanOrEqual(0.08);
    expect(figures.false_promotion_skip_all.value).toBe(0);
  });

  it("gives it rightly, takes it rarely without cause and soon with it", () => {
    expect(figures.promoted_within_400.value).toBeGreaterThan(0.8);
    expect(figures.false_demotion_2000.value).toBeLessThan(0.05);
    expect(figures.demoted_within_100.value).toBeGreaterThan(0.9);
    expect(figures.audit_share.ci[1]).toBeLessThan(0.05);
  });

  it("tells the kinds of surrogates apart", () => {
    const careers = new Map(trustCareers({ histories: 20 }).map((one) => [one.surrogate, one]));
    expect(careers.get("good")?.live.value).toBe(1);
    expect(careers.get("skips everything")?.canary.value).toBe(0);
    expect(careers.get("adversarial")?.canary.value).toBe(0);
    expect(careers.get("drifting: permuted after 1000")?.demoted.value).toBe(1);
  });
});

it("Wilson's interval holds the share and stays within 0 and 1", () => {
  expect(shareEstimate(0, 100)).toEqual({ value: 0, ci: [0, 0.03699] });
  const { ci } = shareEstimate(50, 100);
  expect(ci[0]).toBeCloseTo(0.4038, 3);
  expect(ci[1]).toBeCloseTo(0.5962, 3);
});
