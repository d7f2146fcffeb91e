import {
  seedAnchor,
  shiftBy,
  type Anchor,
  type Forecast,
  type Forecaster,
  type ForecastRequest,
  type Kernel,
  type RuntimeDistribution,
} from "../../domain/index.ts";
import { fittedBaselines } from "./fitted.ts";
import { rooflineLog2Us } from "./roofline.ts";
import { log2Tokens } from "./source-length.ts";

/** What a forecaster has to beat. */
export const baselineKinds = ["constant", "anchor", "length", "roofline"] as const;

export type BaselineKind = (typeof baselineKinds)[number];

/** The constant distribution over log2(runtime / seed kernel's runtime): the prior that CRPS and log scores are compared with. */
export const constantPrior: RuntimeDistribution = fittedBaselines.constant;

/** Share of the training kernels that worked: the p_ok of every baseline. */
export const constantPOk: number = fittedBaselines.pOk;

type Predictor = (request: ForecastRequest) => (kernel: Kernel) => RuntimeDistribution;

/** What each baseline says of a kernel, over log2(runtime in µs). */
const predictors: Readonly<Record<BaselineKind, Predictor>> = {
  constant: (request) => {
    const forecast = shiftBy(fittedBaselines.constant, log2Us(seedAnchor(request), request));
    return () => forecast;
  },
  anchor: (request) => {
    const [nearest] = request.anchors;
    const { seed, other } = fittedBaselines.anchor;
    const forecast = shiftBy(nearest === seedAnchor(request) ? seed : other, log2Us(nearest, request));
    return () => forecast;
  },
  length: (request) => {
    const { slope, ...widths } = fittedBaselines.length;
    const seed = seedAnchor(request);
    const tokens = log2Tokens(seed?.kernel ?? request.task.seedKernel);
    return (kernel) => shiftBy(widths, log2Us(seed, request) + slope * (log2Tokens(kernel) - tokens));
  },
  roofline: ({ task, device }) => {
    const forecast = shiftBy(fittedBaselines.roofline, rooflineLog2Us(task, device));
    return () => forecast;
  },
};

/** An anchor's time; without one, the least that the task can take. */
function log2Us(anchor: Anchor | undefined, { task, device }: ForecastRequest): number {
  return anchor ? Math.log2(anchor.measurement.runtime.medianUs) : rooflineLog2Us(task, device);
}

/**
 * A forecaster that hardly looks: the seed's time and a constant (`constant`), the time of the first anchor (`anchor`), the
 * number of tokens of the source (`length`), or the task's roofline (`roofline`). Each with constant widths fitted on the
 * atlas's training split, and the same p_ok for all.
 */
export function createBaseline(kind: BaselineKind): Forecaster {
  return {
    name: `baseline:${kind}`,
    forecast: async (request, signal) => {
      signal?.throwIfAborted();
      const started = performance.now();
      const predict = predictors[kind](request);
      const forecasts = request.candidates.map((kernel): Forecast => {
        return { kernelId: kernel.kernelId, pOk: constantPOk, ...predict(kernel) };
      });
      const cpuSeconds = (performance.now() - started) / 1000;
      return { forecasts, cost: { cpuSeconds, tokens: 0, usd: 0 } };
    },
  };
}
