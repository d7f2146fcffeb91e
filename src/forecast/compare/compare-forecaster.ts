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
import type { NetworkWeights } from "./network-weights.ts";

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

/** What a forecaster by comparison is made of. */
export interface Comparing {
  readonly name: string;
  readonly network: CompareNetwork;
  readonly facts: FactsCache;
  /** The vector of a kernel's text, for a network that reads text. */
  readonly vectorOf?: (kernel: Kernel, task: Task, signal: AbortSignal | undefined) => Promise<ArrayLike<number>>;
}

/** How kernels are read, and with what they are compared. */
type Comparer = Omit<Comparing, "name" | "facts"> & { readonly read: Reader; readonly describe: Describer };

/**
 * Forecasts by comparing a kernel with measured kernels of its task: the more alike, the more they count. At its best within a
 * search, where a kernel's parent has been measured.
 */
export function createComparingForecaster({ name, facts, ...parts }: Comparing): Forecaster {
  const comparer: Comparer = { ...parts, read: createReader(facts), describe: createDescriber(parts.network) };
  return {
    name,
    async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
      signal?.throwIfAborted();
      const started = performance.now();
      const forecasts: Forecast[] = [];
      const seed = seedAnchor(request);
      if (seed && request.candidates.length > 0) {
        const context = contextOf(request, seed, comparer.read);
        const anchors = await placeAnchors(comparer, request, { seed, context, signal });
        for (const kernel of request.candidates) {
          signal?.throwIfAborted();
          const vector = await comparer.vectorOf?.(kernel, request.task, signal);
          forecasts.push(forecastKernel(comparer, request, { kernel, vector, context, anchors }));
        }
      }
      const cpuSeconds = (performance.now() - started) / 1000;
      return { forecasts, cost: { cpuSeconds, tokens: 0, usd: 0 } };
    },
  };
}

/** The forecaster `compare`: by features of kernels, whose texts count by the words they share. Pure but for its cache. */
export function createCompareForecaster(weights: NetworkWeights, facts = new FactsCache()): Forecaster {
  return createComparingForecaster({ name: "compare", network: new CompareNetwork(weights), facts });
}

function createReader(facts: FactsCache): Reader {
  const runsOf = new WeakMap<KernelFacts, ReadonlySet<number>>();
  return (kernel, task, device, evidence) => {
    const own = facts.get(kernel, task, device, evidence);
    const runs = runsOf.get(own) ?? wordRuns(kernel, task);
    runsOf.set(own, runs);
    return { facts: own, runs };
  };
}

/** Describes a kernel beside a seed kernel; `vector` is always the same for the same facts. */
type Describer = (facts: KernelFacts, context: FeatureContext, vector: ArrayLike<number> | undefined) => Described;

/** Remembers descriptions for as long as the facts of the kernel and of the seed kernel are remembered. */
function createDescriber(network: CompareNetwork): Describer {
  const kept = new WeakMap<KernelFacts, { log2Us: number; readonly of: WeakMap<KernelFacts, Described> }>();
  return (facts, context, vector) => {
    const { seed } = context;
    let beside = kept.get(seed.facts);
    if (beside?.log2Us !== seed.log2Us) kept.set(seed.facts, (beside = { log2Us: seed.log2Us, of: new WeakMap() }));
    const described = beside.of.get(facts) ?? network.describe(featureVector(facts, context), vector);
    beside.of.set(facts, described);
    return described;
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
async function placeAnchors(
  { describe, read, vectorOf }: Comparer,
  { task, device, anchors }: ForecastRequest,
  { seed, context, signal }: { seed: Anchor; context: FeatureContext; signal: AbortSignal | undefined },
): Promise<readonly Placed[]> {
  const placed: Placed[] = [];
  for (const anchor of [seed, ...anchors.filter((one) => one !== seed)]) {
    const { evidence } = anchor.measurement;
    const bare = read(anchor.kernel, task, device, undefined);
    const compiled = evidence && read(anchor.kernel, task, device, evidence);
    const vector = await vectorOf?.(anchor.kernel, task, signal);
    placed.push({
      runs: bare.runs,
      log2Ratio: log2Us(anchor) - context.seed.log2Us,
      bare: describe(bare.facts, context, vector),
      compiled: compiled && describe(compiled.facts, context, vector),
    });
  }
  return placed;
}

interface ToForecast {
  readonly kernel: Kernel;
  readonly vector: ArrayLike<number> | undefined;
  readonly context: FeatureContext;
  readonly anchors: readonly Placed[];
}

function forecastKernel(
  { network, describe, read }: Comparer,
  { task, device, evidence }: ForecastRequest,
  { kernel, vector, context, anchors }: ToForecast,
): Forecast {
  const given = evidence?.get(kernel.kernelId);
  // Kernels are compared by like descriptions: with evidence only where the anchors have theirs.
  const isCompiled = given !== undefined && anchors.every(({ compiled }) => compiled !== undefined);
  const own = read(kernel, task, device, isCompiled ? given : undefined);
  const [seed, ...others] = anchors.map(({ runs, log2Ratio, bare, compiled }): ComparedAnchor => {
    return { described: (isCompiled && compiled) || bare, log2Ratio, alike: likeness(own.runs, runs) };
  });
  const nearest = others.toSorted((a, b) => b.alike[0] - a.alike[0]).slice(0, mostAnchors);
  const described = describe(own.facts, context, vector);
  const { m, sigmaLow, sigmaHigh, logOdds } = network.compare(described, seed ? [seed, ...nearest] : nearest);
  return {
    kernelId: kernel.kernelId,
    pOk: Math.min(0.999, Math.max(0.001, sigmoid(logOdds))),
    m: m + context.seed.log2Us,
    sigmaLow,
    sigmaHigh,
  };
}
