import { describe, expect, it } from "vitest";
import { keyedStream } from "../../domain/index.ts";
import { coordinatesOf } from "./coordinates.ts";
import { matern, squaredDistance } from "./covariance.ts";
import { factorise, inverseOf, solveLower, solveUpper } from "./dense.ts";
import { fitSetting, jitter, priorSetting, settingCost, type Sample } from "./fit-setting.ts";
import { LikelyOk } from "./likely-ok.ts";
import { SpaceLearner, type Outcome } from "./space-learner.ts";
import { SpaceProcess } from "./space-process.ts";

const axis = [1, 2, 4, 8, 16, 32];
const switches = [0, 1];
const points = axis.flatMap((x) => axis.flatMap((y) => switches.map((on) => ({ values: [x, y, on], threads: x * y }))));
const coordinates = coordinatesOf(points);
/** log2 of a runtime with one valley, which the switch deepens. */
const valley = (place: number): number => {
  const [x = 0, y = 0, on = 0] = points[place]?.values ?? [];
  return (Math.log2(x) - 3) ** 2 / 2 + Math.abs(Math.log2(y) - 1) - on;
};

function sampleOf(places: readonly number[], size = coordinates.size): Sample {
  const own = places.flatMap((place) => Array.from(coordinates.values.slice(place * size, (place + 1) * size)));
  return { size, coordinates: Float64Array.from(own), values: Float64Array.from(places, (place) => valley(place) / 3) };
}

describe("coordinatesOf", () => {
  it("has parameters in doublings, alignment, threads and how full the last warp is, each from 0 to 1", () => {
    const sizes = [16, 48, 64, 128].map((value) => ({ values: [value, 7], threads: value }));
    const { count, size, values } = coordinatesOf(sizes);
    expect([count, size]).toEqual([4, 5]);
    expect(Array.from(values.slice(0, 5))).toEqual([0, 0, 0, 0, 0]);
    const [doublings, alignment, product, threads, full] = values.slice(5, 10);
    expect(doublings).toBeCloseTo(Math.log2(3) / 3, 12);
    expect(alignment).toBe(0);
    expect(product).toBeCloseTo(Math.log2(3) / 3, 12);
    expect(threads).toBeCloseTo(Math.log2(3) / 3, 12);
    expect(full).toBeCloseTo(0.5, 12);
    expect(Array.from(values.slice(15, 20))).toEqual([1, 1, 1, 1, 1]);
  });

  it("leaves out what is the same everywhere", () => {
    expect(coordinatesOf([{ values: [1, 5] }, { values: [2, 5] }]).size).toBe(1);
  });
});

describe("dense matrices", () => {
  it("invert what they factorise", () => {
    const uniform = keyedStream(1, "dense");
    const size = 7;
    const root = Float64Array.from({ length: size * size }, () => uniform() - 0.5);
    const at = (row: number, column: number): number =>
      Array.from(
        { length: size },
        (_, k) => (root[row * size + k] as number) * (root[column * size + k] as number),
      ).reduce((sum, value) => sum + value, row === column ? 0.5 : 0);
    const factor = Float64Array.from({ length: size * size }, (_, index) => at(Math.floor(index / size), index % size));
    factorise(factor, size);
    const inverse = inverseOf(factor, size);
    for (let column = 0; column < size; column++) {
      const unit = new Float64Array(size);
      unit[column] = 1;
      solveLower(factor, size, unit);
      solveUpper(factor, size, unit);
      for (let row = column; row < size; row++)
        expect(inverse[row * size + column]).toBeCloseTo(unit[row] as number, 9);
    }
  });
});

describe("fitSetting", () => {
  const sample = sampleOf([0, 5, 9, 14, 21, 30, 37, 44, 52, 60, 71]);

  it("descends along the true slope", () => {
    const logs = priorSetting(coordinates.size).map((log, at) => log + 0.1 * at - 0.3);
    const { slope } = settingCost(sample, logs);
    const step = 1e-5;
    for (let at = 0; at < logs.length; at++) {
      const moved = (by: number): number => settingCost(sample, logs.with(at, (logs[at] as number) + by)).cost;
      expect(slope[at]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 4);
    }
  });

  it("finds a likelier setting than that it starts from", () => {
    const start = priorSetting(coordinates.size);
    const { logs } = fitSetting(sample, start);
    expect(settingCost(sample, logs).cost).toBeLessThan(settingCost(sample, start).cost - 0.1);
  });
});

describe("SpaceProcess", () => {
  it("answers as a direct solution does, in whatever order it was told", () => {
    const places = [3, 40, 17, 66, 28];
    const weights = new Float64Array(coordinates.size).fill(2);
    const setting = { weights, variance: 1.3, noise: 0.01, mean: 0.2 };
    const [process, reversed] = [new SpaceProcess(coordinates, setting), new SpaceProcess(coordinates, setting)];
    for (const place of places) process.add(place, valley(place));
    for (const place of places.toReversed()) reversed.add(place, valley(place));
    const covariance = (a: number, b: number): number =>
      1.3 * matern(squaredDistance(coordinates.values, weights, a, b));
    const size = places.length;
    const factor = Float64Array.from({ length: size * size }, (_, index) => {
      const [row, column] = [Math.floor(index / size), index % size];
      return covariance(places[row] as number, places[column] as number) + (row === column ? 0.01 + 1.3 * jitter : 0);
    });
    factorise(factor, size);
    for (const asked of [0, 17, 50]) {
      const near = Float64Array.from(places, (place) => covariance(asked, place));
      const values = Float64Array.from(places, (place) => valley(place) - 0.2);
      solveLower(factor, size, near);
      solveLower(factor, size, values);
      const mean = near.reduce((sum, value, at) => sum + value * (values[at] as number), 0.2);
      const variance = near.reduce((rest, value) => rest - value * value, 1.3);
      expect(process.mean[asked]).toBeCloseTo(mean, 4);
      expect(process.variance[asked]).toBeCloseTo(variance, 4);
      expect(reversed.mean[asked]).toBeCloseTo(process.mean[asked] as number, 4);
    }
  });
});

describe("LikelyOk", () => {
  it("expects failures near failures, and none while there are none", () => {
    const likelyOk = new LikelyOk(coordinates, new Float64Array(coordinates.size).fill(1));
    likelyOk.add(0, true);
    expect(likelyOk.at(71)).toBe(1);
    likelyOk.add(71, false);
    expect(likelyOk.at(69)).toBeLessThan(0.5);
    expect(likelyOk.at(0)).toBeGreaterThan(0.9);
  });
});

/** Measures what a learner asks for. */
function explore(learner: SpaceLearner, steps: number, fails: (place: number) => boolean = () => false): Outcome[] {
  const tried = new Set(learner.outcomes.map(({ place }) => place));
  for (let step = 0; step < steps; step++) {
    const next = learner.next((place) => tried.has(place));
    if (!next) break;
    tried.add(next.place);
    learner.add({ place: next.place, log2Us: fails(next.place) ? null : valley(next.place) });
  }
  return [...learner.outcomes];
}

describe("SpaceLearner", () => {
  const optimum = points.findIndex(({ values }) => values.join() === "8,2,1");

  it("finds the best of 72 points with few more measurements than its design has, for every seed", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const tried = explore(new SpaceLearner(coordinates, seed), 26).map(({ place }) => place);
      expect(tried).toContain(optimum);
    }
  });

  it("finds it, too, where half of the space fails", () => {
    const fails = (place: number): boolean => (points[place]?.values[1] ?? 0) >= 8;
    for (let seed = 1; seed <= 4; seed++) {
      const tried = explore(new SpaceLearner(coordinates, seed), 26, fails).map(({ place }) => place);
      expect(tried).toContain(optimum);
    }
  });

  it("goes on from the same outcomes with the same points", () => {
    const outcomes = explore(new SpaceLearner(coordinates, 5), 30);
    const again = new SpaceLearner(coordinates, 5);
    for (const outcome of outcomes.slice(0, 20)) again.add(outcome);
    expect(explore(again, 10)).toEqual(outcomes);
  });

  it("proposes every point once, then none", () => {
    const places = explore(new SpaceLearner(coordinates, 1), 100).map(({ place }) => place);
    expect(new Set(places).size).toBe(72);
    expect(places).toHaveLength(72);
  });

  it("comes near the best of a hundred thousand points, of which it considers a part at a time", () => {
    const range = (length: number) => Array.from({ length }, (_, at) => 2 ** (at / 2));
    const many = range(25).flatMap((x) =>
      range(25).flatMap((y) => range(16).flatMap((z) => range(10).map((w) => ({ values: [x, y, z, w] })))),
    );
    const timeOf = ({ values: [x = 1, y = 1, z = 1, w = 1] }: { readonly values: readonly number[] }): number =>
      Math.abs(Math.log2(x) - 7) + Math.abs(Math.log2(y) - 4) + (Math.log2(z) - 3) ** 2 / 4 + Math.log2(w);
    const learner = new SpaceLearner(coordinatesOf(many), 1);
    const tried = new Set<number>();
    for (let step = 0; step < 60; step++) {
      const next = learner.next((place) => tried.has(place));
      if (!next) break;
      tried.add(next.place);
      learner.add({ place: next.place, log2Us: timeOf(many[next.place] as (typeof many)[number]) });
    }
    expect(Math.min(...learner.outcomes.map(({ log2Us }) => log2Us ?? Number.POSITIVE_INFINITY))).toBeLessThan(0.6);
  }, 60_000);
});
