import { describe, expect, it } from "vitest";
import { parseLaunch } from "./parse-launch.ts";

const context = {
  source: 'extern "C" __global__ void k(const float* x, float* y, float a, int n) {}',
  argumentNames: ["x", "y"],
};

describe("parseLaunch", () => {
  it("reads expressions, dimensions, shared memory and scalars by the source's types", () => {
    expect(parseLaunch("k<<<(ceil_div(n, 4 * 32), m), dim3(32, 4), 4 * n>>>(x, y, 0.5f, n);", context)).toEqual({
      kernel: "k",
      grid: ["ceil_div(n, 4 * 32)", "m", 1],
      block: [32, 4, 1],
      smemBytes: "4 * n",
      args: ["x", "y", { f32: 0.5 }, { i32: "n" }],
    });
    expect(parseLaunch("k<<<(n) * (2), 1>>>(x)", context).grid).toEqual(["(n) * (2)", 1, 1]);
    expect(parseLaunch("k<<<1, 256>>>(x, y, f32(-1e-3), u32(7))", context)).toMatchObject({
      block: [256, 1, 1],
      smemBytes: 0,
      args: ["x", "y", { f32: -0.001 }, { u32: 7 }],
    });
  });

  it.each([
    ["k", /cannot be read; write it as/],
    ["k<<<1>>>(x)", /cannot be read/],
    ["k<<<1, 2, 3, 4>>>(x)", /cannot be read/],
    ["k<<<(1, 2, 3, 4), 2>>>(x)", /not one to three dimensions/],
    ["q<<<1, 2>>>(zork)", /"zork" is no argument of the task \(it has x, y\)/],
  ])("says what is wrong with %s", (text, message) => {
    expect(() => parseLaunch(text, context)).toThrow(message);
  });
});
