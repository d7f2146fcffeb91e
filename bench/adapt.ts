/**
 * `npm run bench:adapt [-- --measured 500 --pending 5000 --json]`: what learning within a run costs. Kernels are measured one by one;
 * after each all pending ones are corrected. Kernels are made up: reading them is another forecaster's cost, and once.
 */
import { parseArgs } from "node:util";
import { keyedStream } from "../src/domain/index.ts";
import { choosingData, chooseSetting } from "../src/forecast/adapt/choose-setting.ts";
import type { KernelPoint } from "../src/forecast/adapt/kernel-point.ts";
import { loadAdaptModel } from "../src/forecast/adapt/load-adapted-forecaster.ts";
import { ResidualProcess, type ResidualDatum } from "../src/forecast/adapt/residual-process.ts";
import { sketchOf } from "../src/forecast/adapt/sketch.ts";
import { packagePath } from "../src/serve/package-paths.ts";

const { values } = parseArgs({
  options: {
    measured: { type: "string", default: "500" },
    pending: { type: "string", default: "5000" },
    json: { type: "boolean", default: false },
  },
});
const [measured, pending] = [Number(values.measured), Number(values.pending)];
const { settings, scales } = await loadAdaptModel(packagePath("models/adapt-v1.json"));
const featureCount = Object.keys(scales).length;
const tunedNumbers = 20;

/** A kernel of one of some templates, which most of its features follow. */
function made(id: string): KernelPoint {
  const uniform = keyedStream("bench-adapt", id);
  const template = keyedStream("bench-adapt template", Math.floor(12 * uniform()));
  const hashes = Array.from({ length: 400 }, () => Math.floor(2 ** 32 * (uniform() < 0.8 ? template() : uniform())));
  return {
    features: Float64Array.from({ length: featureCount }, () => 2 * template() + 0.3 * uniform()),
    parameters: {
      names: Uint32Array.from({ length: tunedNumbers }, (_, index) => index),
      values: Float64Array.from({ length: tunedNumbers }, () => Math.floor(8 * uniform())),
    },
    sketch: sketchOf(hashes),
  };
}

const data = Array.from({ length: measured }, (_, index): ResidualDatum => {
  const kernelId = `measured ${index}`;
  return { kernelId, point: made(kernelId), residual: 2 * keyedStream("bench-adapt residual", index)() - 1 };
});
const waiting = Array.from({ length: pending }, (_, index) => ({
  id: `pending ${index}`,
  point: made(`pending ${index}`),
}));

let process = new ResidualProcess(chooseSetting(settings, []));
const times: number[] = [];
let sum = 0;
for (let count = 1; count <= measured; count++) {
  const started = performance.now();
  const known = data.slice(0, count);
  if (count <= choosingData) {
    const setting = chooseSetting(settings, known);
    if (setting !== process.setting) process = new ResidualProcess(setting);
  }
  process.follow(known);
  for (const { id, point } of waiting) sum += process.forecast(id, point).mean;
  times.push(performance.now() - started);
}
const mean = times.reduce((total, time) => total + time, 0) / times.length;
const last = times.slice(-50).reduce((total, time) => total + time, 0) / Math.min(50, times.length);
const result = {
  measured,
  pending,
  msPerMeasurement: mean,
  msPerMeasurementAtTheEnd: last,
  worstMs: Math.max(...times),
};
if (values.json) console.log(JSON.stringify(result));
else
  console.log(
    `${measured} measured, ${pending} pending: ${mean.toFixed(1)} ms a measurement, ${last.toFixed(1)} ms at the end, at worst ` +
      `${result.worstMs.toFixed(0)} ms (checksum ${sum.toFixed(3)})`,
  );
