import { describe, expect, it } from "vitest";
import { makeKernel, type Anchor, type Kernel } from "../../domain/index.ts";
import { kernelShingles, likeness } from "./kernel-likeness.ts";
import { ReferenceFinder } from "./reference.ts";

const source = `extern "C" __global__ void scale(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  for (; i < n; i += gridDim.x * blockDim.x) y[i] = 2.0f * x[i];
}`;
const other = `extern "C" __global__ void sum(const unsigned* keys, unsigned* counts) {
  __shared__ unsigned held[256];
  held[threadIdx.x] = 0; __syncthreads();
  atomicAdd(&held[keys[threadIdx.x] & 255u], 1u);
}`;

function kernel(text: string, block = 256): Kernel {
  const launch = { kernel: "k", grid: [64, 1, 1], block: [block, 1, 1], smemBytes: 0, args: ["x", "y"] } as const;
  return makeKernel({ source: text, launches: [launch], compileOptions: [] }, {});
}

function alike(one: Kernel, two: Kernel): number {
  return likeness(kernelShingles(one), kernelShingles(two));
}

function anchor(of: Kernel, medianUs: number): Anchor {
  const runtime = { medianUs, p10Us: medianUs, p90Us: medianUs, n: 1, samplesUs: [] };
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return { kernel: of, measurement: { kernelId: of.kernelId, device: "d", status: "ok", runtime, cost } };
}

describe("likeness", () => {
  it("is 1 for the same code, whatever its comments and spacing", () => {
    expect(alike(kernel(source), kernel(`// faster\n${source.replaceAll("  ", "\t")}`))).toBe(1);
  });

  it("falls with edits and launches, is low for strangers, and symmetrical", () => {
    const edited = kernel(source.replace("2.0f *", "3.0f *"));
    expect(alike(kernel(source), edited)).toBeGreaterThan(0.8);
    expect(alike(kernel(source), edited)).toBeLessThan(1);
    expect(alike(kernel(source), kernel(source, 128))).toBeLessThan(1);
    expect(alike(kernel(source), kernel(other))).toBeLessThan(0.3);
    expect(alike(kernel(source), kernel(other))).toBe(alike(kernel(other), kernel(source)));
  });
});

describe("the reference", () => {
  it("is the most alike anchor, never the kernel itself, and none without anchors", () => {
    const child = kernel(source.replace("2.0f", "4.0f"));
    const finder = new ReferenceFinder();
    const anchors = [anchor(kernel(other), 8), anchor(kernel(source), 64), anchor(child, 2)];
    expect(finder.find(child, anchors)?.log2Us).toBe(6);
    expect(finder.find(child, [])).toBeUndefined();
    expect(finder.find(child, anchors)).toEqual(finder.find(child, anchors.toReversed()));
  });
});
