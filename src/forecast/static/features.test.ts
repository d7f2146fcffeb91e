import { expect, test } from "vitest";
import { h100, kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { featureNames, featureVector, nearestAnchor, type AnchorFacts, type FeatureContext } from "./features.ts";
import { kernelFacts } from "./kernel-facts.ts";

const n = 1 << 22;
const task = taskOf("copy", n);
const seed: AnchorFacts = { facts: kernelFacts(task.seedKernel, task, h100, undefined), log2Us: 4 };
const alone: FeatureContext = { task, device: h100, seed, others: [] };

function anchor(body: string, log2Us: number): AnchorFacts {
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; ${body} }`;
  const kernel = kernelOf(source, { grid: [n / 256, 1, 1], block: [256, 1, 1] }, n);
  return { facts: kernelFacts(kernel, task, h100, undefined), log2Us };
}

function feature(name: string, vector: Float64Array): number {
  return vector[featureNames.indexOf(name)] as number;
}

test("names are distinct, and every feature of a plain kernel is known but for evidence and anchors", () => {
  expect(new Set(featureNames).size).toBe(featureNames.length);
  const vector = featureVector(seed.facts, alone);
  const unknown = featureNames.filter((name) => Number.isNaN(feature(name, vector)));
  expect(unknown.every((name) => /compiled|anchor/.test(name))).toBe(true);
  expect([...vector].some((value) => Math.abs(value) === Number.POSITIVE_INFINITY)).toBe(false);
});

test("the seed differs from itself by nothing", () => {
  const vector = featureVector(seed.facts, alone);
  const changes = featureNames.filter((name) => name.endsWith("over seed's"));
  expect(changes.length).toBeGreaterThan(5);
  for (const name of changes) expect(feature(name, vector)).toBe(0);
});

test("scaling the seed's time shifts what is relative to it, and nothing else", () => {
  const slower = featureVector(seed.facts, { ...alone, seed: { ...seed, log2Us: 6 } });
  const vector = featureVector(seed.facts, alone);
  expect(feature("total over seed time", slower)).toBeCloseTo(feature("total over seed time", vector) - 2, 12);
  expect(feature("waves", slower)).toBe(feature("waves", vector));
});

test("the nearest anchor is the one that does alike", () => {
  const like = anchor("if (i < n) y[i] = 3.0f * x[i];", 4.1);
  const unlike = anchor("float s = 0; for (int j = 0; j < 512; ++j) s += x[(i + j * 977) % n]; y[i] = s;", 9);
  expect(nearestAnchor(seed.facts, [unlike, like])).toBe(like);
  const vector = featureVector(seed.facts, { ...alone, others: [unlike, like] });
  expect(feature("nearest anchor over seed", vector)).toBeCloseTo(0.1, 12);
  expect(feature("best anchor over seed", vector)).toBe(0);
  expect(feature("other anchors", vector)).toBe(2);
});

test("evidence is used where it is given", () => {
  const evidence = { regs: 128, spillBytes: 16, occupancy: 0.25 };
  const compiled = kernelFacts(task.seedKernel, task, h100, evidence);
  const vector = featureVector(compiled, alone);
  expect(feature("compiled registers", vector)).toBe(128);
  expect(feature("registers", vector)).toBe(128);
  expect(feature("occupancy", vector)).toBeLessThan(1);
});
