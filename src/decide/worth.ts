/** What asking a forecaster cost, and what it spared. */
export interface Asking {
  readonly forecasts: number;
  /** What all of them cost; undefined where the price is not known. */
  readonly usd: number | undefined;
  /** Measurements that would have been made without them; negative where they misled. */
  readonly avoided: number;
  /** Device time of one measurement. */
  readonly measurementSeconds: number;
}

/** Whether asking is worth it. Undefined: not known, or nothing was spared, so that no price makes it worth asking. */
export interface Worth extends Asking {
  readonly usdPerForecast: number | undefined;
  readonly usdPerAvoided: number | undefined;
  /** USD of an hour of the GPU below which measuring all is cheaper than asking. */
  readonly breakEvenUsdPerHour: number | undefined;
}

/** Weighs what forecasts cost against the measurements that they spared. */
export function worthOfAsking(asking: Asking): Worth {
  const { forecasts, usd, avoided, measurementSeconds } = asking;
  const usdPerForecast = usd === undefined || forecasts === 0 ? undefined : usd / forecasts;
  const usdPerAvoided = usd === undefined || avoided <= 0 ? undefined : usd / avoided;
  const breakEvenUsdPerHour =
    usdPerAvoided === undefined || measurementSeconds <= 0 ? undefined : (usdPerAvoided * 3600) / measurementSeconds;
  return { ...asking, usdPerForecast, usdPerAvoided, breakEvenUsdPerHour };
}

/** Seconds of device time below which a measurement is cheaper than avoiding it, for a GPU of that price. */
export function breakEvenSeconds({ usdPerAvoided }: Worth, gpuUsdPerHour: number): number | undefined {
  return usdPerAvoided === undefined || gpuUsdPerHour <= 0 ? undefined : (usdPerAvoided * 3600) / gpuUsdPerHour;
}

/** The members of `--json` documents; null: not known, or nothing was spared. */
export interface WorthDocument {
  readonly forecasts: number;
  readonly usd_per_forecast: number | null;
  readonly avoided_measurements: number;
  readonly usd_per_avoided_measurement: number | null;
  readonly measurement_seconds: number;
  readonly break_even_gpu_usd_per_hour: number | null;
  /** For the GPU price that the user gave. */
  readonly break_even_measurement_seconds?: number | null;
}

export function worthDocument(worth: Worth, gpuUsdPerHour?: number): WorthDocument {
  const { forecasts, usdPerForecast, avoided, usdPerAvoided, measurementSeconds, breakEvenUsdPerHour } = worth;
  return {
    forecasts,
    usd_per_forecast: digits(usdPerForecast),
    avoided_measurements: Number(avoided.toFixed(2)),
    usd_per_avoided_measurement: digits(usdPerAvoided),
    measurement_seconds: Number(measurementSeconds.toPrecision(4)),
    break_even_gpu_usd_per_hour: digits(breakEvenUsdPerHour),
    ...(gpuUsdPerHour === undefined
      ? {}
      : { break_even_measurement_seconds: digits(breakEvenSeconds(worth, gpuUsdPerHour)) }),
  };
}

function digits(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(4));
}

/** The same for people, one sentence. */
export function worthText(worth: WorthDocument, gpuUsdPerHour?: number): string {
  const { forecasts, avoided_measurements: avoided, usd_per_forecast: each, measurement_seconds: seconds } = worth;
  if (each === null) return "the price of its tokens is not known, so neither is whether it is worth asking";
  const cost = `${short(each)} USD a forecast`;
  if (avoided <= 0) return `${cost}; ${forecasts} forecasts spared no measurement, so at no price was it worth asking`;
  if (each === 0) return "forecasts cost no money: whatever they spare is won";
  const spared = `${short(worth.usd_per_avoided_measurement)} USD for each of ${short(avoided)} measurements spared`;
  const price = `where the GPU costs less than ${short(worth.break_even_gpu_usd_per_hour)} USD an hour, with measurements of ${short(seconds)} s, measuring all is cheaper`;
  const least = worth.break_even_measurement_seconds ?? null;
  const length = `; at ${gpuUsdPerHour} USD an hour, where a measurement takes less than ${short(least)} s`;
  return `${cost}, ${spared}; ${price}${least === null ? "" : length}`;
}

function short(value: number | null): string {
  return value === null ? "?" : String(Number(value.toPrecision(3)));
}
