import type { ForecastReason, RuntimeQuantiles } from "../domain/index.ts";
import { referenceUs } from "../serve/forecast/compare.ts";
import type { ForecastCandidate, ForecastTaskResult } from "../serve/forecast/forecast-task.ts";
import type { coloursFor } from "./colours.ts";
import { batchDocument, countsText } from "./forecast-recording-result.ts";

/** The JSON document of `kernelcast forecast`. */
export function forecastDocument(result: ForecastTaskResult): object {
  const { against, cost } = result;
  return {
    task: result.task.taskId,
    device: result.device,
    forecaster: result.forecaster,
    against: {
      kernel: against.name,
      kernel_id: against.kernel.kernelId,
      measured: against.reference.measured,
      runtime_us: digits(referenceUs(against.reference)),
    },
    anchors: result.anchors.map(({ name, anchor: { kernel, measurement } }) => ({
      kernel: name,
      kernel_id: kernel.kernelId,
      runtime_us: digits(measurement.runtime.medianUs),
    })),
    compiler: result.compiler ?? null,
    candidates: result.candidates.map(candidateDocument),
    compile_errors: result.broken.map(({ name, kernel, error }) => ({
      kernel: name,
      kernel_id: kernel.kernelId,
      error,
    })),
    not_forecast: result.unforecast.map(({ name, kernel: { kernelId } }) => ({
      kernel: name,
      kernel_id: kernelId,
      ...failureDocument(result, kernelId),
    })),
    answer_faults: result.faults,
    ...(result.batch ? { batch: batchDocument(result.batch) } : {}),
    cost: {
      cpu_seconds: digits(cost.cpuSeconds),
      tokens: cost.tokens,
      usd: digits(cost.usd),
      compile_cpu_seconds: digits(cost.compileCpuSeconds),
      wall_seconds: digits(cost.wallSeconds),
    },
  };
}

function failureDocument({ failures }: ForecastTaskResult, kernelId: string): object {
  const failure = failures.find((one) => one.kernelId === kernelId);
  return failure ? { fault: failure.fault, message: failure.message } : {};
}

function candidateDocument(candidate: ForecastCandidate, index: number): object {
  const { name, kernel, forecast, runtimeUs, speedup, winProbability, reasons } = candidate;
  return {
    rank: index + 1,
    kernel: name,
    kernel_id: kernel.kernelId,
    p_ok: digits(forecast.pOk),
    runtime_us: rounded(runtimeUs),
    speedup: rounded(speedup),
    uncertainty_factor: digits(uncertainty(runtimeUs)),
    p_win: digits(winProbability),
    evidence: reasons.map((reason) => ({
      what: reason.what,
      value: reason.value,
      anchor_value: reason.anchorValue,
      runtime_factor: digits(2 ** reason.log2Change),
      p_ok_change: digits(reason.pOkChange),
    })),
  };
}

/** By what factor the runtime is off either way, four times in five. */
function uncertainty({ p10, p90 }: RuntimeQuantiles): number {
  return Math.sqrt(p90 / p10);
}

function rounded({ p10, p50, p90 }: RuntimeQuantiles): RuntimeQuantiles {
  return { p10: digits(p10), p50: digits(p50), p90: digits(p90) };
}

function digits(value: number): number {
  return Number(value.toPrecision(5));
}

type Colours = ReturnType<typeof coloursFor>;

/** Candidates whose evidence people are shown; the document has all. */
const explained = 3;

/** The lines that a person reads. */
export function forecastLines(result: ForecastTaskResult, colours: Colours): string[] {
  const { against, candidates } = result;
  const us = referenceUs(against.reference).toPrecision(4);
  const versus = `${against.name} (${against.reference.measured ? "" : "forecast "}${Number(us)} µs)`;
  return [
    `${result.task.taskId} on ${result.device}, forecast by ${result.forecaster}, against ${versus}`,
    "",
    ...table(result),
    ...candidates.slice(0, explained).flatMap((candidate) => reasonLines(candidate, colours)),
    "",
    ...footer(result),
  ];
}

function table(result: ForecastTaskResult): string[] {
  const { candidates, broken, unforecast } = result;
  const why = (kernelId: string): string => {
    const failure = result.failures.find((one) => one.kernelId === kernelId);
    return failure ? `no forecast: ${failure.message}` : "no forecast";
  };
  const rows = [
    ["", "kernel", "p_ok", "µs", "(10–90 %)", "speed", "(10–90 %)", "P(2 % faster)"],
    ...candidates.map(({ name, forecast, runtimeUs, speedup, winProbability }, index) => [
      String(index + 1),
      name,
      forecast.pOk.toFixed(2),
      short(runtimeUs.p50),
      `${short(runtimeUs.p10)}–${short(runtimeUs.p90)}`,
      `${speedup.p50.toFixed(2)}x`,
      `${speedup.p10.toFixed(2)}–${speedup.p90.toFixed(2)}`,
      winProbability.toFixed(2),
    ]),
    ...broken.map(({ name, error }) => ["-", name, "0.00", `does not compile: ${error}`]),
    ...unforecast.map(({ name, kernel }) => ["-", name, "", why(kernel.kernelId)]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.filter((cells) => cells.length > 4).map((cells) => cells[column]?.length ?? 0)),
  );
  widths[1] = Math.max(...rows.map((cells) => cells[1]?.length ?? 0));
  return rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === 1 || cells.length === 4 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

function short(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function reasonLines({ name, reasons }: ForecastCandidate, { dim }: Colours): string[] {
  if (reasons.length === 0) return [];
  return ["", `what moved ${name}:`, ...reasons.map((reason) => `  ${reasonText(reason)}`).map((line) => dim(line))];
}

function reasonText({ what, value, anchorValue, log2Change, pOkChange }: ForecastReason): string {
  const factor = 2 ** Math.abs(log2Change);
  const time = factor < 1.005 ? "" : `${factor.toFixed(2)}x ${log2Change < 0 ? "faster" : "slower"}`;
  const ok = Math.abs(pOkChange) < 0.005 ? "" : `p_ok ${pOkChange > 0 ? "+" : "−"}${Math.abs(pOkChange).toFixed(2)}`;
  const effect = [time, ok].filter((part) => part !== "").join(", ");
  const compared = anchorValue === "none" ? "" : ` (seed ${anchorValue})`;
  return `${what}: ${value}${compared}${effect === "" ? "" : ` → ${effect}`}`;
}

function footer(result: ForecastTaskResult): string[] {
  const { anchors, compiler, cost, canExplain, forecaster } = result;
  const faults = countsText(result.faults);
  const shown = [...anchors.slice(0, 3), ...anchors.slice(3).filter(({ name }) => name === "seed")].map(
    ({ name, anchor }) => `${name} ${short(anchor.measurement.runtime.medianUs)} µs`,
  );
  const more = anchors.length > shown.length ? ` and ${anchors.length - shown.length} more` : "";
  const parts = [
    `${cost.cpuSeconds.toFixed(2)} CPU-s`,
    ...(cost.compileCpuSeconds > 0 ? [`${cost.compileCpuSeconds.toFixed(2)} CPU-s of compiling`] : []),
    ...(cost.tokens > 0 ? [`${cost.tokens} tokens`] : []),
    ...(cost.usd > 0 ? [`${cost.usd} USD`] : []),
  ];
  return [
    `measured kernels it goes by: ${shown.join(", ")}${more}`,
    `compile evidence: ${compiler === undefined ? "none (--compile asks a compiler)" : `from ${compiler}`}`,
    ...(canExplain ? [] : [`${forecaster} does not tell what moved its forecasts`]),
    ...(faults === "" ? [] : [`answers at fault: ${faults}`]),
    `cost: ${parts.join(", ")}; these are forecasts, not measurements`,
  ];
}
