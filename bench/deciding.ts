/**
 * `npm run bench:deciding [-- --json]`: what the policy `gate` takes to decide, per measurement, in a run that has measured 500 kernels
 * and holds 5 000 skipped ones, all of them of likenesses as in a real search. Forecasting and measuring are excluded.
 */
import { createGate } from "../src/decide/gate/gate.ts";
import { keyedStream, keyedUniform, type Candidate, type Forecast, type PolicyContext } from "../src/domain/index.ts";
import { sketchLikeness } from "../src/check/sketch.ts";

const pendingCount = 5000;
const rounds = 60;
const batchSize = 16;

/** Sketches of kernels of forty templates: each register is the template's or the kernel's own. */
function sketchOf(label: string): string {
  const template = Math.floor(keyedUniform("template", label) * 40);
  const own = keyedStream("own", label);
  const shared = keyedStream("shared", template);
  return Array.from({ length: 64 }, () => {
    const [common, mine, isOwn] = [shared(), own(), own() < 0.25];
    return Math.floor((isOwn ? mine : common) * 256)
      .toString(16)
      .padStart(2, "0");
  }).join("");
}

function candidateOf(label: string): { readonly candidate: Candidate; readonly forecast: Forecast } {
  const kernel = { kernelId: label, source: "", launches: [], compileOptions: [] };
  const uniform = keyedStream("forecast", label);
  const forecast = {
    kernelId: label,
    pOk: 0.7 + 0.3 * uniform(),
    m: 6 + 3 * uniform(),
    sigmaLow: 0.2 + 0.3 * uniform(),
    sigmaHigh: 0.2 + 0.3 * uniform(),
  };
  return { candidate: { kernel, parentId: "p", origin: "bench" }, forecast };
}

const pending = Array.from({ length: pendingCount }, (_, index) => candidateOf(`p${index}`));
const sketches = new Map<string, string>();
const sketch = (label: string): string => {
  const known = sketches.get(label) ?? sketchOf(label);
  sketches.set(label, known);
  return known;
};
const piece = { pieces: 500, gpuSeconds: 250, cpuSeconds: 500, usd: 0 };

function contextOf(round: number): PolicyContext {
  const batch = Array.from({ length: batchSize }, (_, index) => candidateOf(`r${round}k${index}`));
  return {
    seed: 1,
    candidates: batch.map(({ candidate }) => candidate),
    forecasts: new Map([...batch, ...pending].map(({ forecast }) => [forecast.kernelId, forecast])),
    incumbentUs: 2 ** 6.4,
    measurementsLeft: 500,
    planning: {
      winLog2: Math.log2(1.02),
      pending: pending.map(({ candidate }) => candidate),
      likeness: (one, other) => sketchLikeness(sketch(one), sketch(other)),
      costs: { measuring: piece, compiling: piece, forecasting: piece, escalating: piece },
      rationed: true,
      canEscalate: false,
      escalated: new Set(),
      surrogateOff: false,
      again: false,
      outlooks: [],
    },
  };
}

const gate = createGate();
gate.plan?.(contextOf(-1)); // warms the just-in-time compiler up
let measured = 0;
let milliseconds = 0;
for (let round = 0; round < rounds; round++) {
  const context = contextOf(round);
  const start = performance.now();
  gate.refresh?.(context);
  const plan = gate.plan?.(context);
  milliseconds += performance.now() - start;
  measured += plan?.decisions.filter(({ action }) => action === "measure" || action === "audit").length ?? 0;
}
const result = {
  pending: pendingCount,
  decisions: rounds,
  measured,
  ms_per_decision: Number((milliseconds / rounds).toFixed(2)),
  ms_per_measurement: Number((milliseconds / measured).toFixed(2)),
};
if (process.argv.includes("--json")) console.log(JSON.stringify(result, null, 2));
else console.table([result]);
