import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeKernel, type Kernel, type MeasureRequest, type Task } from "../../domain/index.ts";

/** A worker process that misbehaves in one way, and what it was asked so far. */
export interface ScriptedWorker {
  readonly argv: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** Lines `start` and `METHOD ID` in the order in which they happened, over all starts. */
  readonly log: () => string[];
}

/** Starts nothing yet; see `scripted-worker.mjs` for the behaviours. */
export function scriptedWorker(behaviour: string): ScriptedWorker {
  const logFile = join(mkdtempSync(join(tmpdir(), "kernelcast-test-")), "log");
  const script = fileURLToPath(new URL("scripted-worker.mjs", import.meta.url));
  return {
    argv: [process.execPath, script, behaviour],
    env: { ...process.env, FAKE_WORKER_LOG: logFile },
    log: () => readFileSync(logFile, "utf8").trimEnd().split("\n"),
  };
}

const sizes = { n: 1024 };

/** A kernel of `smallTask`; equal marks make equal kernels. */
export function smallKernel(mark: string): Kernel {
  const source = `// ${mark}\nextern "C" __global__ void twice(const float* x, float* out, int n) {\n  int i = blockIdx.x * blockDim.x + threadIdx.x;\n  if (i < n) out[i] = 2.0f * x[i];\n}\n`;
  const launch = {
    kernel: "twice",
    grid: ["ceil_div(n, 256)", 1, 1],
    block: [256, 1, 1],
    smemBytes: 0,
    args: ["x", "out", { i32: "n" }],
  } as const;
  return makeKernel({ source, launches: [launch], compileOptions: [] }, sizes);
}

/** A task that any worker can check in a moment. */
export const smallTask: Task = {
  taskId: "twice-f32",
  kind: "cuda",
  title: "Twice",
  family: "elementwise",
  description: "Doubles a vector.",
  workload: {
    sizes,
    args: [
      { name: "x", dtype: "f32", shape: [1024], role: "in", draw: { normal: { mean: 0, std: 1 } } },
      { name: "out", dtype: "f32", shape: [1024], role: "out" },
    ],
    flops: 1024,
    bytesMin: 8192,
  },
  boundaryWorkloads: [],
  tolerance: { type: "allclose", rtol: 1e-5, atol: 1e-6 },
  precisions: ["f32"],
  reference: 'def reference(inputs, sizes):\n    return {"out": 2 * inputs["x"]}\n',
  seedKernel: smallKernel("seed"),
};

/** A screening of a kernel of `smallTask`. */
export function screening(requestId: string, kernel: Kernel = smallTask.seedKernel): MeasureRequest {
  return { requestId, task: smallTask, kernel, mode: "screen" };
}
