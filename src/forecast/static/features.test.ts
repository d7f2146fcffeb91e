import { expect, test } from "vitest";
import { h100, kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { factsDistance, featureNames, featureVector, type AnchorFacts, type FeatureContext } from "./features.ts";
import { kernelFacts } from "./kernel-facts.ts";

const n = 1 << 22;
const task = taskOf("copy", n);
const seed: AnchorFacts = { facts: kernelFacts(task.seedKernel, task, h100, undefined), log2Us: 4 };
const alone: FeatureContext = { task, device: h100, seed };

function anchor(body: string, log2Us: number): AnchorFacts {
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; ${body} }`;
  const kernel = kernelOf(source, { grid: [n / 256, 1, 1], block: [256, 1, 1] }, n);
  return { facts: kernelFacts(kernel, task, h100, undefined), log2Us };
}

function feature(name: string, vector: Float64Array): number {
  return vector[featureNames.indexOf(name)] as number;
}

test("names are distinct, and every feature of a plain kernel is known but for evidence", () => {
  expect(new Set(featureNames).size).toBe(featureNames.length);
  const vector = featureVector(seed.facts, alone);
  const unknown = featureNames.filter((name) => Number.isNaN(feature(name, vector)));
  expect(unknown.every((name) => /compiled|^run: (signs|differing)$/.test(name))).toBe(true);
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

test("kernels that do alike are near, others far", () => {
  const like = anchor("if (i < n) y[i] = 3.0f * x[i];", 4.1);
  const unlike = anchor("float s = 0; for (int j = 0; j < 512; ++j) s += x[(i + j * 977) % n]; y[i] = s;", 9);
  expect(factsDistance(seed.facts, seed.facts)).toBe(0);
  expect(factsDistance(seed.facts, like.facts)).toBeLessThan(0.05);
  expect(factsDistance(seed.facts, unlike.facts)).toBeGreaterThan(1);
  expect(factsDistance(unlike.facts, seed.facts)).toBe(factsDistance(seed.facts, unlike.facts));
});

test.each([
  ["nothing amiss", "if (i < n) y[i] = x[i];", 0],
  ["a name that nothing declares", "if (i < n) y[i] = x[j];", 1],
  ["an output left unwritten", "if (i < n / 4) y[i] = x[i];", 1],
  ["an output written in other iterations", "for (int j = 0; j < 9; ++j) if (j < 2) y[i] = x[i];", 0],
  [
    "an output written by a copy in bulk",
    `__shared__ float s[256]; s[threadIdx.x] = x[i]; __syncthreads(); unsigned at = __cvta_generic_to_shared(s);
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], 1024;" ::"l"(y + 256 * blockIdx.x), "r"(at));`,
    0,
  ],
  ["a sum into what was never cleared", "atomicAdd(&y[i], x[i]);", 1],
  ["beyond the end", "y[i + n] = x[i];", 1],
  ["a header not included", "y[i] = __half2float(__float2half(x[i]));", 1],
  ["too much shared memory", "__shared__ float s[60000]; s[threadIdx.x] = x[i]; __syncthreads(); y[i] = s[0];", 1],
])("signs of failure: %s", (_, body, signs) => {
  expect(feature("signs of failure", featureVector(anchor(body, 4).facts, alone))).toBe(signs);
});

test("evidence is used where it is given", () => {
  const evidence = { regs: 128, spillBytes: 16, occupancy: 0.25 };
  const compiled = kernelFacts(task.seedKernel, task, h100, evidence);
  const vector = featureVector(compiled, alone);
  expect(feature("compiled registers", vector)).toBe(128);
  expect(feature("registers", vector)).toBe(128);
  expect(feature("occupancy", vector)).toBeLessThan(1);
});
