import {
  seedAnchor,
  type Anchor,
  type Forecast,
  type ForecastAnswer,
  type ForecastBasis,
  type ForecastCost,
  type Forecaster,
  type ForecastRequest,
} from "../../domain/index.ts";
import { FactsCache } from "../static/facts-cache.ts";
import { scalesInOrder, type AdaptModel } from "./adapt-model.ts";
import { choosingData, chooseSetting } from "./choose-setting.ts";
import { correctForecast, residualOf } from "./correct-forecast.ts";
import { PointReader } from "./kernel-point.ts";
import { isSameData, ResidualProcess, type ResidualDatum } from "./residual-process.ts";

export interface AdaptedOptions {
  readonly model: AdaptModel;
  readonly facts?: FactsCache | undefined;
  /** `adapt:` and the name of the forecaster by default. */
  readonly name?: string;
}

/** Tasks whose state is kept between requests. */
const keptTasks = 16;

/** What is kept of one task with one seed kernel's time; all of it follows from requests. */
interface Kept {
  readonly reader: PointReader;
  /** What the forecaster said of measured kernels, given the seed alone. */
  readonly priors: Map<string, Forecast>;
  process: ResidualProcess;
  /** The data that the process's setting was chosen by. */
  chosenBy: readonly ResidualDatum[];
}

/**
 * Learns within a run: asks a forecaster with the seed kernel alone for its anchor, and corrects what it says by what it had said of
 * the request's other anchors. A Gaussian process spreads their residuals, in widths, over kernels that are alike; medians move by
 * what it expects, widths shrink by what it explains. Without anchors besides the seed, answers are the forecaster's own. For
 * forecasters that make little of anchors; those that compare kernels with them do this themselves. Pure but for its caches.
 */
export function adapted(forecaster: Forecaster, { model, facts = new FactsCache(), name }: AdaptedOptions): Forecaster {
  const scales = scalesInOrder(model);
  const kept = new Map<string, Kept>();
  const open = (request: ForecastRequest): Kept | undefined => {
    const key = keyOf(request);
    const known = kept.get(key);
    if (known) return known;
    const reader = PointReader.open(request, facts, scales);
    if (!reader) return undefined;
    const process = new ResidualProcess(chooseSetting(model.settings, []));
    const made = { reader, priors: new Map<string, Forecast>(), process, chosenBy: [] };
    if (kept.size >= keptTasks) kept.delete(kept.keys().next().value ?? "");
    kept.set(key, made);
    return made;
  };
  return {
    name: name ?? `adapt:${forecaster.name}`,
    ...(forecaster.explain
      ? { explain: async (request, signal) => (await forecaster.explain?.(seedOnly(request), signal)) ?? new Map() }
      : {}),
    ...(forecaster.close ? { close: async () => forecaster.close?.() } : {}),
    async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
      const answer = await forecaster.forecast(seedOnly(request), signal);
      const state = request.candidates.length > 0 ? open(request) : undefined;
      if (!state) return { ...answer, basis: basisOf(answer) };
      remember(state, request, answer.forecasts);
      const asked = await askForAnchors(forecaster, request, state, signal);
      const started = performance.now();
      learn(state, request, model);
      const forecasts = correctAll(state, request, answer.forecasts);
      const cost = sum(answer.cost, asked, { cpuSeconds: (performance.now() - started) / 1000, tokens: 0, usd: 0 });
      return { ...answer, forecasts, cost, basis: basisOf(answer) };
    },
  };
}

function keyOf(request: ForecastRequest): string {
  const seed = seedAnchor(request);
  return JSON.stringify([
    request.task.taskId,
    request.device.name,
    seed?.kernel.kernelId,
    seed?.measurement.runtime.medianUs,
  ]);
}

function seedOnly(request: ForecastRequest): ForecastRequest {
  const seed = seedAnchor(request);
  return { ...request, anchors: seed ? [seed] : [] };
}

/** What was said of a candidate is what an anchor needs once it is measured: no forecaster is asked, or paid, twice. */
function remember({ priors }: Kept, { evidence }: ForecastRequest, forecasts: readonly Forecast[]): void {
  for (const forecast of forecasts) {
    const { kernelId } = forecast;
    if (!evidence?.has(kernelId) && !priors.has(kernelId)) priors.set(kernelId, forecast);
  }
}

/** Asks for the anchors that it was not asked for before; they have no evidence, as the anchors of other forecasters. */
async function askForAnchors(
  forecaster: Forecaster,
  request: ForecastRequest,
  { priors }: Kept,
  signal: AbortSignal | undefined,
): Promise<ForecastCost> {
  const unknown = learningAnchors(request).filter(({ kernel }) => !priors.has(kernel.kernelId));
  if (unknown.length === 0) return { cpuSeconds: 0, tokens: 0, usd: 0 };
  const { evidence: _, outcomes: __, ...rest } = seedOnly(request);
  const { forecasts, cost } = await forecaster.forecast(
    { ...rest, candidates: unknown.map(({ kernel }) => kernel) },
    signal,
  );
  for (const forecast of forecasts) priors.set(forecast.kernelId, forecast);
  return cost;
}

/**
 * The anchors to learn from, the seed left out: in the order in which a run came to know them, so that what is known grows at its
 * end, else by id. The order in which a request names them does not count.
 */
function learningAnchors(request: ForecastRequest): readonly Anchor[] {
  const seedId = seedAnchor(request)?.kernel.kernelId;
  const order = new Map((request.outcomes ?? []).map(({ basis }, index) => [basis.kernelId, index]));
  const placeOf = ({ kernel }: Anchor): number => order.get(kernel.kernelId) ?? -1;
  const byId = new Map(request.anchors.map((anchor) => [anchor.kernel.kernelId, anchor]));
  return [...byId.values()]
    .filter(({ kernel }) => kernel.kernelId !== seedId)
    .sort((a, b) => placeOf(a) - placeOf(b) || (a.kernel.kernelId < b.kernel.kernelId ? -1 : 1));
}

function learn(state: Kept, request: ForecastRequest, { settings }: AdaptModel): void {
  const data = learningAnchors(request).flatMap(({ kernel, measurement }): ResidualDatum[] => {
    const prior = state.priors.get(kernel.kernelId);
    if (!prior) return [];
    const residual = residualOf(prior, Math.log2(measurement.runtime.medianUs));
    return [{ kernelId: kernel.kernelId, point: state.reader.read(kernel), residual }];
  });
  const choosing = data.slice(0, choosingData);
  if (!isSameData(choosing, state.chosenBy)) {
    const setting = chooseSetting(settings, choosing);
    if (setting !== state.process.setting) state.process = new ResidualProcess(setting);
    state.chosenBy = choosing;
  }
  state.process.follow(data);
}

function correctAll(state: Kept, { candidates }: ForecastRequest, forecasts: readonly Forecast[]): Forecast[] {
  const kernels = new Map(candidates.map((kernel) => [kernel.kernelId, kernel]));
  return forecasts.map((forecast) => {
    const kernel = kernels.get(forecast.kernelId);
    if (!kernel || state.process.size === 0) return forecast;
    return correctForecast(forecast, state.process.forecast(kernel.kernelId, state.reader.read(kernel)));
  });
}

/** Outcomes of what has a basis come back with later requests, in the order known. */
function basisOf({ forecasts, basis }: ForecastAnswer): readonly ForecastBasis[] {
  return basis ?? forecasts.map(({ kernelId }) => ({ kernelId, members: {} }));
}

function sum(...costs: readonly ForecastCost[]): ForecastCost {
  return costs.reduce((total, cost) => ({
    ...total,
    cpuSeconds: total.cpuSeconds + cost.cpuSeconds,
    tokens: total.tokens + cost.tokens,
    usd: total.usd + cost.usd,
  }));
}
