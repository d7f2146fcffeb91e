import { expect, it } from "vitest";
import { makeKernel } from "../../domain/index.ts";
import { syntheticTask } from "../../testing/index.ts";
import { kernelParameters } from "./kernel-parameters.ts";

it("finds the numbers of launches, definitions, constants and compile options", () => {
  const task = syntheticTask();
  const source = `
    #define TILE 32
    #define MASK (0xffu) // not 31
    #define SUM TILE + 4
    #define EMPTY
    constexpr unsigned STEPS = 4u, WIDE = 2;
    __global__ void run(const float* x) { int n = 5; const float scale = 0.5f; x = 6; }`;
  const launches = [{ ...task.seedKernel.launches[0]!, grid: [7, 1, 1], block: [64, 2, 1], smemBytes: 128 }] as const;
  const kernel = makeKernel({ source, launches, compileOptions: ["-DUNROLL=8", "-DFAST", "-O3"] }, {});
  expect(Object.fromEntries(kernelParameters(kernel, task))).toEqual({
    "launch 0 0": 7,
    "launch 0 1": 1,
    "launch 0 2": 1,
    "launch 0 3": 64,
    "launch 0 4": 2,
    "launch 0 5": 1,
    "launch 0 6": 128,
    "named TILE": 32,
    "named MASK": 255,
    "named STEPS": 4,
    "named WIDE": 2,
    "named scale": 0.5,
    "named UNROLL": 8,
    "named FAST": 1,
  });
});
