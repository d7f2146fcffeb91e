import { makeKernel, type ForecastRequest, type Kernel, type OkMeasurement } from "../domain/index.ts";
import { syntheticDeviceInfo, syntheticTask } from "./synthetic.ts";

/** A candidate of the synthetic task; equal marks make equal kernels. */
function markedKernel(mark: string): Kernel {
  const { seedKernel } = syntheticTask();
  return makeKernel({ ...seedKernel, source: seedKernel.source.replace("/* seed */", `/* ${mark} */ `) }, {});
}

/** A request for marked kernels of the synthetic task, its seed kernel the one anchor, at 100 µs. */
export function syntheticRequest(marks: readonly string[] = ["a", "b", "c"]): ForecastRequest {
  const task = syntheticTask();
  const measurement: OkMeasurement = {
    kernelId: task.seedKernel.kernelId,
    device: syntheticDeviceInfo.name,
    status: "ok",
    runtime: { medianUs: 100, p10Us: 99, p90Us: 101, n: 5, samplesUs: [] },
    cost: { gpuSeconds: 0, cpuSeconds: 0 },
  };
  return {
    task,
    device: syntheticDeviceInfo,
    anchors: [{ kernel: task.seedKernel, measurement }],
    candidates: marks.map(markedKernel),
  };
}
