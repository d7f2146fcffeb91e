import { makeKernel, type DeviceInfo, type Dim3, type Kernel, type Task } from "../../../domain/index.ts";

export const h100: DeviceInfo = {
  name: "NVIDIA H100 80GB HBM3",
  computeCapability: "9.0",
  multiprocessors: 132,
  memoryBytes: 85e9,
  l2Bytes: 52_428_800,
  maxThreadsPerMultiprocessor: 2048,
  registersPerMultiprocessor: 65_536,
  sharedMemoryPerMultiprocessor: 233_472,
  sharedMemoryPerBlock: 232_448,
  bandwidth: 3.0e12,
  flops: { f64: 33e12, f32: 67e12, tf32: 494e12, f16: 989e12, bf16: 989e12, i8: 1979e12 },
  launchFloorUs: 4,
};

/** Kernel `k(x, y, n)` with one launch. */
export function kernelOf(source: string, shape: { readonly grid: Dim3; readonly block: Dim3 }, n: number): Kernel {
  const launch = { kernel: "k", ...shape, smemBytes: 0, args: ["x", "y", { i32: n }] };
  return makeKernel({ source, launches: [launch], compileOptions: [] }, {});
}

/** A task over n floats in and n out, whose seed copies them. */
export function taskOf(family: string, n: number, flops = n): Task {
  const argument = { dtype: "f32", shape: [n] } as const;
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2.0f * x[i];
}
`;
  return {
    taskId: `${family}-${n}`,
    kind: "cuda",
    title: family,
    family,
    description: "",
    workload: {
      sizes: { n },
      args: [
        { ...argument, name: "x", role: "in" },
        { ...argument, name: "y", role: "out" },
      ],
      flops,
      bytesMin: 8 * n,
    },
    boundaryWorkloads: [],
    tolerance: { type: "exact" },
    precisions: ["f32"],
    reference: "",
    seedKernel: kernelOf(source, { grid: [n / 256, 1, 1], block: [256, 1, 1] }, n),
  };
}
