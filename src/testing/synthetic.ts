import {
  keyedUniform,
  makeKernel,
  sha256Hex,
  type Device,
  type DeviceInfo,
  type Forecaster,
  type Kernel,
  type Measurement,
  type Proposer,
  type Task,
} from "../domain/index.ts";

/** An H100's figures, for tests that need a device but measure nothing. */
export const syntheticDeviceInfo: DeviceInfo = {
  name: "synthetic",
  computeCapability: "9.0",
  multiprocessors: 132,
  memoryBytes: 80e9,
  l2Bytes: 50e6,
  maxThreadsPerMultiprocessor: 2048,
  registersPerMultiprocessor: 65536,
  sharedMemoryPerMultiprocessor: 233472,
  sharedMemoryPerBlock: 232448,
  bandwidth: 3e12,
  flops: { f32: 67e12, f16: 989e12 },
  launchFloorUs: 4,
};

/** A small task whose kernels are never compiled. */
export function syntheticTask(taskId = "synthetic"): Task {
  return {
    taskId,
    kind: "cuda",
    title: "Synthetic",
    family: "synthetic",
    description: "A task for tests.",
    workload: {
      sizes: { n: 1024 },
      args: [{ name: "out", dtype: "f32", shape: [1024], role: "out" }],
      flops: 1024,
      bytesMin: 4096,
    },
    boundaryWorkloads: [],
    tolerance: { type: "exact" },
    precisions: ["f32"],
    reference: "def reference(inputs, sizes):\n    return {}\n",
    seedKernel: syntheticKernel("seed"),
  };
}

function syntheticKernel(label: string): Kernel {
  const source = `extern "C" __global__ void k(float* out) { out[threadIdx.x] = ${label.length}; /* ${label} */ int v_${label}; }`;
  const launch = { kernel: "k", grid: [1, 1, 1], block: [1024, 1, 1], smemBytes: 0, args: ["out"] } as const;
  return makeKernel({ source, launches: [launch], compileOptions: [] }, {});
}

/** Endless distinct proposals: the k-th of a parent is a function of (seed, parent, k). Now and then a repeated one. */
export function syntheticProposer(): Proposer {
  return {
    name: "synthetic",
    propose({ parent, firstIndex, count, seed }) {
      const candidates = Array.from({ length: count }, (_, index) => {
        const k = firstIndex + index;
        const repeated = k % 50 === 49;
        const label = sha256Hex(JSON.stringify([seed, parent.kernel.kernelId, repeated ? 0 : k])).slice(0, 12);
        return { kernel: syntheticKernel(label), parentId: parent.kernel.kernelId, origin: "synthetic" };
      });
      return Promise.resolve({ candidates, exhausted: false, cost: { cpuSeconds: 0, tokens: 0, usd: 0 } });
    },
  };
}

/** Runtime and status are functions of a kernel's id: 64 µs · 2^u, u in (−3, 1); one kernel in twenty is incorrect. */
export function syntheticDevice(concurrency = 1): Device {
  return {
    name: "synthetic",
    time: "virtual",
    concurrency,
    describe: () => Promise.resolve(syntheticDeviceInfo),
    compile: (_task, kernels) =>
      Promise.resolve(kernels.map(({ kernelId }) => ({ kernelId, ok: true as const, evidence: { compileMs: 40 } }))),
    measure: ({ kernel, mode, anchor }) => {
      const measurement = syntheticMeasurement(kernel.kernelId);
      if (measurement.status !== "ok" || mode === "screen" || !anchor) return Promise.resolve(measurement);
      const logRatio = Math.log2(measurement.runtime.medianUs / anchor.measurement.runtime.medianUs);
      const confirmation = {
        anchorId: anchor.kernel.kernelId,
        logRatio,
        low: logRatio - 0.003,
        high: logRatio + 0.003,
        blocks: 8,
      };
      return Promise.resolve({ ...measurement, confirmation });
    },
    close: () => Promise.resolve(),
  };
}

function syntheticMeasurement(kernelId: string): Measurement {
  const cost = { gpuSeconds: 0.05, cpuSeconds: 0.04 };
  if (keyedUniform("failure", kernelId) < 0.05) {
    return { kernelId, device: "synthetic", status: "incorrect", error: "wrong_output: synthetic", cost };
  }
  const medianUs = 2 ** syntheticLog2Us(kernelId);
  const runtime = { medianUs, p10Us: medianUs, p90Us: medianUs, n: 5, samplesUs: [] };
  return { kernelId, device: "synthetic", status: "ok", runtime, cost };
}

function syntheticLog2Us(kernelId: string): number {
  return 6 + 4 * keyedUniform("runtime", kernelId) - 3;
}

/** Forecasts the synthetic device with an error of about a quarter of a doubling. */
export function syntheticForecaster(): Forecaster {
  return {
    name: "synthetic",
    async forecast({ candidates }, signal) {
      signal?.throwIfAborted();
      return {
        forecasts: candidates.map(({ kernelId }) => ({
          kernelId,
          pOk: 0.95,
          m: syntheticLog2Us(kernelId) + (keyedUniform("error", kernelId) - 0.5) / 2,
          sigmaLow: 0.25,
          sigmaHigh: 0.25,
        })),
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      };
    },
  };
}
