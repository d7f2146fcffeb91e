/**
 * `npm run bench:embedded [-- --model models/embedded-v1 --kernels 12 --json]`: kernels a second that the forecaster `embedded` reads and
 * forecasts, features included, and the most memory of the process, with each runtime: WebAssembly and, where it is
 * installed, native. Kernels are of eight tasks of the atlas, each read for the first time.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mainDevice, type ForecastRequest } from "../src/domain/index.ts";
import { loadEmbeddedForecaster } from "../src/forecast/embedded/load-embedded-forecaster.ts";
import { findOnnxRuntime } from "../src/forecast/embedded/onnx-runtime.ts";
import { loadRecording } from "../src/formats/load-recording.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "models/embedded-v1" },
    kernels: { type: "string", default: "12" },
    json: { type: "boolean", default: false },
    runtime: { type: "string" },
  },
});

if (values.runtime) {
  console.log(JSON.stringify(await measure(values.runtime)));
} else {
  const isNative = (await findOnnxRuntime()).name === "node";
  const results = (isNative ? ["web", "node"] : ["web"]).map((runtime) => inOwnProcess(runtime));
  if (values.json) console.log(JSON.stringify(results));
  else for (const line of results) console.log(inWords(line));
}

/** Memory is the process's, so that each runtime has its own. */
function inOwnProcess(runtime: string): Result {
  const file = fileURLToPath(import.meta.url);
  const options = ["--model", values.model, "--kernels", values.kernels, "--runtime", runtime];
  return JSON.parse(execFileSync(process.execPath, [...process.execArgv, file, ...options], { encoding: "utf8" }));
}

interface Result {
  readonly runtime: string;
  readonly kernels: number;
  readonly open_ms: number;
  readonly kernels_per_second: number;
  /** Per second of processor time, which other programs on the machine do not change. */
  readonly kernels_per_cpu_second: number;
  readonly most_memory_mb: number;
}

function inWords(result: Result): string {
  const { runtime, kernels, open_ms, kernels_per_second, kernels_per_cpu_second, most_memory_mb } = result;
  const speed = `${kernels_per_second} kernels/s (${kernels_per_cpu_second} a second of processor time)`;
  return `${runtime}: ${kernels} kernels, opened in ${open_ms} ms, ${speed}, at most ${most_memory_mb} MB`;
}

async function measure(runtime: string): Promise<Result> {
  const requests = await chooseRequests();
  const find = { env: { ...process.env, KERNELCAST_ONNX: runtime } };
  const opening = performance.now();
  const forecaster = await loadEmbeddedForecaster(values.model, undefined, find);
  const [started, processor] = [performance.now(), process.cpuUsage()];
  let kernels = 0;
  for (const request of requests) {
    const { forecasts } = await forecaster.forecast(request);
    kernels += forecasts.length + request.anchors.length;
  }
  const { user, system } = process.cpuUsage(processor);
  const seconds = (performance.now() - started) / 1000;
  await forecaster.close?.();
  return {
    runtime,
    kernels,
    open_ms: Math.round(started - opening),
    kernels_per_second: rounded(kernels / seconds),
    kernels_per_cpu_second: rounded((kernels * 1e6) / (user + system)),
    most_memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Kernels spread over eight tasks spread over the atlas; the one anchor is the seed kernel, at a made-up time. */
async function chooseRequests(): Promise<ForecastRequest[]> {
  const all = readdirSync("tasks").toSorted();
  const chosen = Array.from({ length: 8 }, (_, place) => all[Math.floor((place * all.length) / 8)] ?? "");
  const recording = await loadRecording("atlas", { tasks: chosen });
  const device = recording.deviceInfos?.get(mainDevice(recording) ?? "");
  if (!device) throw new Error("nothing is known of the atlas's device");
  return [...recording.tasks.values()].map(({ task }) => {
    const others = recording.kernels(task.taskId).filter(({ kernel }) => kernel.kernelId !== task.seedKernel.kernelId);
    const step = Math.max(1, Math.floor(others.length / Number(values.kernels)));
    const candidates = others
      .filter((_, place) => place % step === 0)
      .slice(0, Number(values.kernels))
      .map(({ kernel }) => kernel);
    const runtime = { medianUs: 100, p10Us: 99, p90Us: 101, n: 1, samplesUs: [] };
    const measurement = {
      kernelId: task.seedKernel.kernelId,
      device: device.name,
      status: "ok" as const,
      runtime,
      cost: { gpuSeconds: 0, cpuSeconds: 0 },
    };
    return { task, device, anchors: [{ kernel: task.seedKernel, measurement }], candidates };
  });
}
