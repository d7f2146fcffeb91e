import { expect, it } from "vitest";
import { h100, kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { FactsCache } from "./facts-cache.ts";

const n = 4096;
const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
}`;
const kernel = kernelOf(source, { grid: [n / 256, 1, 1], block: [256, 1, 1] }, n);
const task = taskOf("copy", n);

it("runs a kernel once whatever the evidence", () => {
  const facts = new FactsCache();
  const bare = facts.get(kernel, task, h100, undefined);
  expect(facts.get(kernel, task, h100, undefined)).toBe(bare);
  const compiled = facts.get(kernel, task, h100, { regs: 32 });
  expect(compiled).not.toBe(bare);
  expect(compiled.execution).toBe(bare.execution);
});

it("sees a launch that needs more registers than there are by its evidence alone", () => {
  const facts = new FactsCache();
  expect(facts.get(kernel, task, h100, { regs: 255 }).execution.refused).toBe(false);
  const large = kernelOf(source, { grid: [n / 1024, 1, 1], block: [1024, 1, 1] }, n);
  expect(facts.get(large, task, h100, undefined).execution.refused).toBe(false);
  expect(facts.get(large, task, h100, { regs: 72 }).execution).toMatchObject({ refused: true, ending: "refused" });
});
