import { expect, test } from "vitest";
import { h100, kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { kernelFacts, sectorEfficiency } from "./kernel-facts.ts";

const task = taskOf("copy", 1 << 24);
const n = 1 << 24;

function times(body: string, block = 256, grid = n / 256): ReturnType<typeof kernelFacts> {
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; ${body} }`;
  return kernelFacts(kernelOf(source, { grid: [grid, 1, 1], block: [block, 1, 1] }, n), task, h100, undefined);
}

test("a plain copy is bound by device memory and takes what its bytes take", () => {
  const { times: parts, heaviest } = times("if (i < n) y[i] = x[i];");
  expect(parts.dram).toBeCloseTo((1e6 * 8 * n) / h100.bandwidth, 3);
  expect(parts.dramOnce).toBe(parts.dram);
  expect(parts.total).toBeLessThan(1.7 * parts.dram);
  expect(heaviest?.cost.occupancy).toBe(1);
  expect(heaviest?.cost.overload).toBeCloseTo(0.25, 9);
});

test("what is worse looks worse", () => {
  const plain = times("if (i < n) y[i] = x[i];");
  const scattered = times("if (i < n) y[i] = x[(i % 4096) * 4096 + i / 4096];");
  expect(scattered.times.l1).toBeGreaterThan(4 * plain.times.l1);
  expect(sectorEfficiency(scattered, ({ write }) => !write)).toBeCloseTo(1 / 8, 9);
  const few = times("for (int j = i; j < n; j += 32) y[j] = x[j];", 32, 1);
  expect(few.times.latency).toBeGreaterThan(100 * plain.times.latency);
  const heavy = times("float v = x[i]; for (int j = 0; j < 1000; ++j) v = v * v + 1.0f; y[i] = v;");
  expect(heavy.times.arithmetic).toBeGreaterThan(heavy.times.dram);
  const shared = times("atomicAdd(y, x[i]);");
  expect(shared.times.atomic).toBeGreaterThan(10 * plain.times.total);
});

test("asking for too much shows", () => {
  expect(times("__shared__ float s[100000]; y[i] = s[0];").heaviest?.cost.overload).toBeGreaterThan(1);
  expect(times("y[i] = x[i];", 2048).heaviest?.cost.overload).toBe(2);
});
