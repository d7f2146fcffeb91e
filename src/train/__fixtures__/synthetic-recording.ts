import {
  keyedUniform,
  makeKernel,
  normalQuantile,
  type Dim3,
  type Kernel,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Task,
} from "../../domain/index.ts";
import { h100, taskOf } from "../../forecast/static/__fixtures__/small-tasks.ts";

interface Choice {
  readonly block: number;
  readonly items: number;
  readonly strided: boolean;
  readonly vector: boolean;
  readonly work: number;
}

const choices: readonly Choice[] = [64, 128, 256, 512].flatMap((block) =>
  [1, 2, 4].flatMap((items) =>
    [false, true].flatMap((strided) =>
      [false, true].map((vector) => ({ block, items, strided, vector, work: 1 + ((block * items) % 5) })),
    ),
  ),
);

function write(task: Task, { block, items, strided, vector, work }: Choice): Kernel {
  const n = task.workload.sizes["n"] ?? 0;
  const type = vector ? "float4" : "float";
  const count = n / items / (vector ? 4 : 1);
  const place = strided ? `i * ${items} + j` : `j * ${count} + i`;
  const step = vector ? "v.x = v.x * 2.0f; v.y *= 2.0f; v.z *= 2.0f; v.w *= 2.0f;" : "v = v * 2.0f;";
  const source = `extern "C" __global__ void k(const ${type}* x, ${type}* y, int n) {
  int i = blockIdx.x * ${block} + threadIdx.x;
  if (i >= ${count}) return;
  for (int j = 0; j < ${items}; ++j) {
    ${type} v = x[${place}];
    for (int w = 0; w < ${work}; ++w) { ${step} }
    y[${place}] = v;
  }
}
`;
  const grid: Dim3 = [Math.ceil(count / block), 1, 1];
  const launch = { kernel: "k", grid, block: [block, 1, 1] as Dim3, smemBytes: 0, args: ["x", "y", { i32: n }] };
  return makeKernel({ source, launches: [launch], compileOptions: [] }, {});
}

/** What a made-up device takes: bytes, times penalties for strides, narrow accesses and small blocks, and noise. */
function runtimeUs(task: Task, choice: Choice, id: string): number {
  const floor = (1e6 * task.workload.bytesMin) / h100.bandwidth;
  const stride = choice.strided ? choice.items ** 0.8 : 1;
  const narrow = choice.vector ? 1 : 1.15;
  const small = choice.block < 128 ? 1.4 : 1;
  const noise = 2 ** (0.05 * normalQuantile(keyedUniform("noise", id)));
  return floor * stride * narrow * small * noise * (1 + 0.02 * choice.work);
}

/** Four tasks of three families with 49 kernels each, one in twelve of them wrong. */
export function syntheticRecording(): Recording {
  const tasks = [taskOf("alpha", 1 << 22), taskOf("beta", 1 << 24), taskOf("beta", 1 << 23), taskOf("gamma", 1 << 25)];
  const kernels = new Map<string, RecordedKernel[]>();
  const measurements = new Map<string, Map<string, RecordedMeasurement>>();
  for (const task of tasks) {
    const { taskId, seedKernel } = task;
    const entries = choices.map((choice) => ({ kernel: write(task, choice), choice }));
    const seedChoice: Choice = { block: 256, items: 1, strided: false, vector: false, work: 1 };
    const all = [{ kernel: seedKernel, choice: seedChoice }, ...entries];
    kernels.set(
      taskId,
      all.map(({ kernel }) => ({ kernel, taskId, parentId: kernel === seedKernel ? null : seedKernel.kernelId })),
    );
    measurements.set(
      taskId,
      new Map(all.map(({ kernel, choice }, at) => [kernel.kernelId, measure(task, kernel, choice, at)])),
    );
  }
  return {
    name: "synthetic",
    devices: [h100.name],
    deviceInfos: new Map([[h100.name, h100]]),
    tasks: new Map(tasks.map((task) => [task.taskId, { task, split: task.family === "gamma" ? "test" : "train" }])),
    kernels: (taskId) => kernels.get(taskId) ?? [],
    measurements: (taskId) => measurements.get(taskId) ?? new Map(),
  };
}

function measure(task: Task, { kernelId }: Kernel, choice: Choice, at: number): RecordedMeasurement {
  const device = h100.name;
  if (at % 12 === 5) {
    return { kernelId, device, status: at % 24 === 5 ? "incorrect" : "compile_error", error: "made up" };
  }
  const us = runtimeUs(task, choice, kernelId);
  const runtime = { medianUs: us, p10Us: 0.99 * us, p90Us: 1.02 * us, n: 20, samplesUs: [] };
  return { kernelId, device, status: "ok", runtime, evidence: { regs: 24 + choice.items * 4, spillBytes: 0 } };
}
