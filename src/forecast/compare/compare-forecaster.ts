import {
  seedAnchor,
  type Anchor,
  type DeviceInfo,
  type Evidence,
  type Forecast,
  type Forecaster,
  type ForecastAnswer,
  type ForecastRequest,
  type Kernel,
  type Task,
} from "../../domain/index.ts";
import { likeness, wordRuns } from "../source/likeness.ts";
import { featureVector, type FeatureContext } from "../static/features.ts";
import { sigmoid } from "../static/gbdt/model.ts";
import { FactsCache } from "../static/facts-cache.ts";
import type { KernelFacts } from "../static/kernel-facts.ts";
import { CompareNetwork, type ComparedAnchor, type Described } from "./compare-network.ts";
import type { CompareModel } from "./compare-model.ts";

/** Anchors that a kernel is compared with besides the seed: those most alike by text. As many as in training. */
const mostAnchors = 24;

interface Read {
  readonly facts: KernelFacts;
  readonly runs: ReadonlySet<number>;
}

interface Placed {
  readonly runs: ReadonlySet<number>;
  readonly log2Ratio: number;
  readonly bare: Described;
  readonly compiled: Described | undefined;
}

/**
 * The forecaster `compare`: features of a kernel, compared by a small network with those of measured kernels of the task,
 * the more alike the more they count. At its best within a search, where a kernel's parent has been measured. Pure but for its cache.
 */
export function createCompareForecaster(model: CompareModel, facts = new FactsCache()): Forecaster {
  const network = new CompareNetwork(model);
  const runsOf = new WeakMap<KernelFacts, ReadonlySet<number>>();
  const read: Reader = (kernel, task, device, evidence) => {
    const own = facts.get(kernel, task, device, evidence);
    const runs = runsOf.get(own) ?? wordRuns(kernel, task);
    runsOf.set(own, runs);
    return { facts: own, runs };
  };
  return {
    name: "compare",
    async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
      const started = performance.now();
      const forecasts: Forecast[] = [];
      const seed = seedAnchor(request);
      if (seed) {
        const context = contextOf(request, seed, read);
        const anchors = placeAnchors(network, request, seed, context, read);
        for (const kernel of request.candidates) {
          signal?.throwIfAborted();
          forecasts.push(forecastKernel(network, request, kernel, context, anchors, read));
        }
      }
      const cpuSeconds = (performance.now() - started) / 1000;
      return { forecasts, cost: { cpuSeconds, tokens: 0, usd: 0 } };
    },
  };
}

type Reader = (kernel: Kernel, task: Task, device: DeviceInfo, evidence: Evidence | undefined) => Read;

function log2Us({ measurement }: Anchor): number {
  return Math.log2(measurement.runtime.medianUs);
}

function contextOf({ task, device }: ForecastRequest, seed: Anchor, read: Reader): FeatureContext {
  const { facts } = read(seed.kernel, task, device, undefined);
  return { task, device, seed: { facts, log2Us: log2Us(seed) } };
}

/** All anchors, the seed first, described without and, where the compiler said something, with evidence. */
function placeAnchors(
  network: CompareNetwork,
  { task, device, anchors }: ForecastRequest,
  seed: Anchor,
  context: FeatureContext,
  read: Reader,
): readonly Placed[] {
  const ordered = [seed, ...anchors.filter((anchor) => anchor !== seed)];
  return ordered.map((anchor) => {
    const { evidence } = anchor.measurement;
    const bare = read(anchor.kernel, task, device, undefined);
    const compiled = evidence && read(anchor.kernel, task, device, evidence);
    return {
      runs: bare.runs,
      log2Ratio: log2Us(anchor) - context.seed.log2Us,
      bare: network.describe(featureVector(bare.facts, context)),
      compiled: compiled && network.describe(featureVector(compiled.facts, context)),
    };
  });
}

function forecastKernel(
  network: CompareNetwork,
  { task, device, evidence }: ForecastRequest,
  kernel: Kernel,
  context: FeatureContext,
  anchors: readonly Placed[],
  read: Reader,
): Forecast {
  const given = evidence?.get(kernel.kernelId);
  // Kernels are compared by like descriptions: with evidence only where the anchors have theirs.
  const isCompiled = given !== undefined && anchors.every(({ compiled }) => compiled !== undefined);
  const own = read(kernel, task, device, isCompiled ? given : undefined);
  const [seed, ...others] = anchors.map(({ runs, log2Ratio, bare, compiled }): ComparedAnchor => {
    return { described: (isCompiled && compiled) || bare, log2Ratio, alike: likeness(own.runs, runs) };
  });
  const nearest = others.toSorted((a, b) => b.alike[0] - a.alike[0]).slice(0, mostAnchors);
  const described = network.describe(featureVector(own.facts, context));
  const { m, sigmaLow, sigmaHigh, logOdds } = network.compare(described, seed ? [seed, ...nearest] : nearest);
  return {
    kernelId: kernel.kernelId,
    pOk: Math.min(0.999, Math.max(0.001, sigmoid(logOdds))),
    m: m + context.seed.log2Us,
    sigmaLow,
    sigmaHigh,
  };
}
