import { expect, it } from "vitest";
import type { Task } from "../../domain/index.ts";
import { kernelOf, taskOf } from "./__fixtures__/small-tasks.ts";
import { executionFeatures } from "./execution-features.ts";
import { executionFacts } from "./execution/execution-facts.ts";

const n = 4096;

/** The task of doubling n floats, their draw known or not. */
function doubling(drawn: boolean): Task {
  const task = taskOf("double", n);
  if (!drawn) return task;
  const args = task.workload.args.map((argument) =>
    argument.role === "in" ? { ...argument, draw: { normal: { mean: 0, std: 1 } } } : argument,
  );
  return { ...task, workload: { ...task.workload, args } };
}

const [known, guessed] = [doubling(true), doubling(false)];

function features(body: string, task = known, block = 256): Record<string, number> {
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    ${body}
  }`;
  const facts = executionFacts(kernelOf(source, { grid: [n / block, 1, 1], block: [block, 1, 1] }, n), task);
  return Object.fromEntries(executionFeatures.map(({ name, value }) => [name, value(facts)]));
}

it("tells nothing bad of a kernel that works", () => {
  expect(features("y[i] = 2.0f * x[i];")).toMatchObject({
    "run: signs": 0,
    "run: signs, inputs guessed": Number.NaN,
    "run: refused": 0,
    "run: differing": 0,
    "run: differing, inputs guessed": Number.NaN,
    "run: coverage": 1,
    "run: ended": 1,
  });
});

it.each([
  ["a launch that is refused", "y[i] = x[i];", 2048, "run: refused", 1],
  ["a name that nothing declares", "y[i] = x[j];", 256, "run: mistyped", 1],
  ["a loop without an end", "while (n > 0) { } y[i] = x[i];", 256, "run: endless", 1],
  ["a loop that waits for others", "while (y[0] != 1.0f) { } y[i] = x[i];", 256, "run: endless", 0.5],
  ["a read behind the end", "y[i] = x[i + 1];", 256, "run: outside", 1],
  [
    "a shared array too small",
    "__shared__ float s[8]; s[threadIdx.x] = x[i]; y[i] = x[i];",
    256,
    "run: outside shared",
    1,
  ],
  [
    "a barrier left out",
    "__shared__ float s[256]; s[255 - threadIdx.x] = x[i]; y[i] = s[threadIdx.x];",
    256,
    "run: race",
    1,
  ],
  ["shared memory never written", "__shared__ float s[256]; y[i] = s[threadIdx.x] + x[i];", 256, "run: unwritten", 1],
  ["an output read before it is written", "y[i] += x[i];", 256, "run: unwritten", 2],
  [
    "a barrier that some threads reach",
    "if (threadIdx.x < 7) __syncthreads(); y[i] = x[i];",
    256,
    "run: barrier apart",
    1,
  ],
  ["wrong values", "y[i] = x[i] + 1.0f;", 256, "run: differing", 1],
  ["half of the output", "if (threadIdx.x % 2 == 0) y[i] = x[i];", 256, "run: coverage", 0.5],
])("sees %s", (_, body, block, name, wanted) => {
  expect(features(body, known, block)[name]).toBe(wanted);
});

it("keeps apart what differs where inputs are guesses", () => {
  const found = features("y[i] = x[i] + 1.0f;", guessed);
  expect(found["run: differing"]).toBeNaN();
  expect(found["run: differing, inputs guessed"]).toBe(1);
  expect(found["run: signs"]).toBeNaN();
  expect(found["run: signs, inputs guessed"]).toBe(1);
});
