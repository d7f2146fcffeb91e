import { expect, test } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { CourtingGuard } from "./courting.ts";

/** Proposals, a quarter of them measured, until they are found to court the surrogate; how many were seen. */
function until(next: (place: number) => { readonly said: number; readonly wins: number }, most: number): number {
  const guard = new CourtingGuard();
  const uniform = keyedStream(3, "courting");
  for (let place = 0; place < most; place++) {
    const { said, wins } = next(place);
    guard.seeForecast(said);
    if (place % 4 === 0 && guard.seeOutcome(said, uniform() < wins)) return place;
  }
  return Number.POSITIVE_INFINITY;
}

test("rising forecasts that fall short are found", () => {
  const rising = (place: number) => ({ said: Math.min(0.8, 0.1 + place / 400), wins: 0.05 });
  expect(until(rising, 600)).toBeLessThan(400);
});

test("rising forecasts that hold are not, nor are level ones that fall short", () => {
  const holding = (place: number) => {
    const said = Math.min(0.8, 0.1 + place / 400);
    return { said, wins: said };
  };
  expect(until(holding, 2000)).toBe(Number.POSITIVE_INFINITY);
  expect(until(() => ({ said: 0.5, wins: 0 }), 2000)).toBe(Number.POSITIVE_INFINITY);
});
