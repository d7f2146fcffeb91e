import {
  seedAnchor,
  smallestSigma,
  type Anchor,
  type Forecast,
  type Forecaster,
  type ForecastAnswer,
  type ForecastReason,
  type ForecastRequest,
  type Kernel,
} from "../../domain/index.ts";
import { correct } from "./anchor-correction.ts";
import { explainForecast } from "./explain.ts";
import { FactsCache } from "./facts-cache.ts";
import { factsDistance, featureVector, type AnchorFacts, type FeatureContext } from "./features.ts";
import { predict, sigmoid } from "./gbdt/model.ts";
import type { KernelFacts } from "./kernel-facts.ts";
import { predictRatio, type StaticModel } from "./static-model.ts";

/** E log|z| of a standard normal: what turns an expected log error into a width. */
export const meanLogNormal = -0.635181422730739;

/** Most anchors besides the seed that correct a forecast: the first of the request. */
const comparedAnchors = 64;

/**
 * The forecaster `static`: features read from source and launches, boosted trees. The time of the task's seed kernel
 * gives the scale; other anchors are used where they are similar. Pure but for its cache: equal requests have equal
 * answers.
 */
export function createStaticForecaster(model: StaticModel, facts = new FactsCache()): Forecaster {
  return {
    name: "static",
    async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
      const started = performance.now();
      const context = makeContext(model, request, facts);
      const forecasts: Forecast[] = [];
      for (const kernel of request.candidates) {
        signal?.throwIfAborted();
        const evidence = request.evidence?.get(kernel.kernelId);
        const own = facts.get(kernel, request.task, request.device, evidence);
        forecasts.push(forecastKernel(model, kernel, own, context));
      }
      const cpuSeconds = (performance.now() - started) / 1000;
      return { forecasts, cost: { cpuSeconds, tokens: 0, usd: 0 } };
    },
    async explain(request: ForecastRequest, signal?: AbortSignal) {
      const context = makeContext(model, request, facts);
      const reasons = new Map<string, readonly ForecastReason[]>();
      for (const kernel of request.candidates) {
        signal?.throwIfAborted();
        const own = facts.get(kernel, request.task, request.device, request.evidence?.get(kernel.kernelId));
        if (context && isReadable(own, context)) reasons.set(kernel.kernelId, explainForecast(model, own, context));
      }
      return reasons;
    },
  };
}

/** What a request's candidates are forecast against. Anchors are read without evidence, as in training. */
export interface ForecastContext extends FeatureContext {
  /** Every anchor, with the error of its own forecast. */
  readonly anchors: readonly { readonly facts: KernelFacts; readonly error: number }[];
}

function makeContext(model: StaticModel, request: ForecastRequest, facts: FactsCache): ForecastContext | undefined {
  const { task, device, anchors } = request;
  const seed = seedAnchor(request);
  if (!seed) return undefined;
  const describe = ({ kernel, measurement }: Anchor): AnchorFacts => ({
    facts: facts.get(kernel, task, device, undefined),
    log2Us: Math.log2(measurement.runtime.medianUs),
  });
  const context: FeatureContext = { task, device, seed: describe(seed) };
  const used = [seed, ...anchors.filter((anchor) => anchor !== seed).slice(0, comparedAnchors)];
  return { ...context, anchors: used.map(describe).map((anchor) => withError(model, anchor, context)) };
}

/** An anchor with its true log2 runtime less its forecast. */
function withError(
  model: Pick<StaticModel, "line" | "median">,
  { facts, log2Us }: AnchorFacts,
  context: FeatureContext,
): ForecastContext["anchors"][number] {
  const row = featureVector(facts, context);
  return { facts, error: log2Us - context.seed.log2Us - predictRatio(model, row) };
}

/** Whether there is anything to go by beside the prior. */
function isReadable(facts: KernelFacts, context: ForecastContext): boolean {
  return facts.heaviest !== undefined && context.seed.facts.heaviest !== undefined;
}

/** Forecast of one kernel from its facts. Without an anchor there is no scale: the prior around 100 µs. */
function forecastKernel(
  model: StaticModel,
  { kernelId }: Pick<Kernel, "kernelId">,
  facts: KernelFacts,
  context: ForecastContext | undefined,
): Forecast {
  const { prior, calibration } = model;
  if (!context || !isReadable(facts, context)) {
    const scale = context?.seed.log2Us ?? Math.log2(100);
    const pOk = facts.heaviest ? prior.pOk : prior.pOk / 2;
    return { kernelId, pOk, m: scale + prior.median, sigmaLow: prior.sigmaLow, sigmaHigh: prior.sigmaHigh };
  }
  const row = featureVector(facts, context);
  const anchors = context.anchors.map(({ facts: other, error }) => ({ distance: factsDistance(facts, other), error }));
  const { shift, narrowing } = correct(calibration.anchors, anchors);
  const sigma = narrowing * Math.exp(predict(model.spread, row) - meanLogNormal);
  const logOdds = calibration.okSlope * predict(model.ok, row) + calibration.okShift;
  return {
    kernelId,
    pOk: Math.min(0.999, Math.max(0.001, sigmoid(logOdds))),
    m: context.seed.log2Us + predictRatio(model, row) + shift,
    sigmaLow: Math.max(smallestSigma, calibration.scaleLow * sigma),
    sigmaHigh: Math.max(smallestSigma, calibration.scaleHigh * sigma),
  };
}
