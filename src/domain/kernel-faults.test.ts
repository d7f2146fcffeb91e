import { describe, expect, it } from "vitest";
import { loadRecording } from "../formats/load-recording.ts";
import { syntheticTask } from "../testing/synthetic.ts";
import { kernelFaults } from "./kernel-faults.ts";
import type { Launch } from "./kernel.ts";

const source = 'extern "C" __global__ void k(float* out, int n) { if (n > 0) out[threadIdx.x] = 1; }';
const launch: Launch = {
  kernel: "k",
  grid: ["n / 4", 1, 1],
  block: [256, 1, 1],
  smemBytes: 0,
  args: ["out", { i32: "n" }],
};

const faultsOf = (changes: Partial<Launch>, text = source): readonly string[] =>
  kernelFaults(syntheticTask(), { source: text, launches: [{ ...launch, ...changes }], compileOptions: [] });

describe("kernelFaults", () => {
  it("finds nothing wrong with a kernel that fits, nor with one that is defined through a macro", () => {
    expect(faultsOf({})).toEqual([]);
    expect(
      faultsOf({}, '#define KERNEL(name) extern "C" __global__ void name(float* out, int n) {}\nKERNEL(k)'),
    ).toEqual([]);
    expect(faultsOf({ args: ["out", { u32: 3 }] })).toEqual([]);
  });

  it.each<[Partial<Launch>, RegExp]>([
    [{ kernel: "q" }, /no __global__ function of that name \(it defines k\)/],
    [{ args: ["out"] }, /1 arguments for 2 parameters/],
    [{ args: ["zork", { i32: 1 }] }, /"zork" is no argument of the task \(it has out\)/],
    [{ args: [{ i32: 1 }, { i32: 1 }] }, /parameter out is a pointer, but is given the scalar/],
    [{ args: ["out", "out"] }, /parameter n is no pointer/],
    [{ args: ["out", { f32: 1 }] }, /parameter n is i32/],
    [{ block: [1024, 2, 1] }, /2048 threads/],
    [{ block: [1, 1, 128] }, /128 deep/],
    [{ grid: [1, 70_000, 1] }, /at most 2147483647 x 65535/],
    [{ grid: ["n / 3", 1, 1] }, /not an integer/],
    [{ grid: [0, 1, 1] }, /at least 1/],
    [{ smemBytes: 300_000 }, /300000 bytes/],
  ])("names what is wrong with the launch %j", (changes, fault) => {
    expect(faultsOf(changes).join("\n")).toMatch(fault);
  });

  it.each([
    ["", /empty/],
    ["#include <iostream>\n" + source, /#include of iostream/],
    [source.replace('extern "C" ', ""), /not extern "C"/],
    ["x".repeat(500_000), /500000 characters/],
  ])("names what is wrong with a source", (text, fault) => {
    expect(faultsOf({}, text).join("\n")).toMatch(fault);
  });

  it("finds nothing wrong with any kernel of the atlas that was measured to be right", async () => {
    const atlas = await loadRecording("atlas");
    const device = atlas.devices[0] ?? "";
    let right = 0;
    for (const [taskId, { task }] of atlas.tasks) {
      const measurements = atlas.measurements(taskId, device);
      for (const { kernel } of atlas.kernels(taskId)) {
        if (measurements.get(kernel.kernelId)?.status !== "ok") continue;
        right++;
        expect(kernelFaults(task, kernel)).toEqual([]);
      }
    }
    expect(right).toBeGreaterThan(10_000);
  });
});
