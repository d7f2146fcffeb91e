import type { DeviceInfo, Precision, Task } from "../../domain/index.ts";
import type { OperationName } from "./analysis/profile.ts";
import { accessWidth, sectorEfficiency, totalOperations, type KernelFacts } from "./kernel-facts.ts";
import { costNames, type CostName } from "./launch-cost.ts";
import { textCounts } from "./text-facts.ts";

/** A measured kernel with its facts. `log2Us` is log2 of its runtime in µs. */
export interface AnchorFacts {
  readonly facts: KernelFacts;
  readonly log2Us: number;
}

/** What a candidate is described against. `seed` gives the scale; `others` are further measured kernels. */
export interface FeatureContext {
  readonly task: Task;
  readonly device: DeviceInfo;
  readonly seed: AnchorFacts;
  readonly others: readonly AnchorFacts[];
}

interface Feature {
  readonly name: string;
  readonly value: (facts: KernelFacts, context: FeatureContext) => number;
}

/** log2 with a floor, so that "none" is a number like any other. */
function log2(x: number): number {
  return Number.isNaN(x) ? x : Math.log2(Math.max(x, 1e-3));
}

/** Each part of the cost model against the seed's measured time: where a part is near 0, it alone takes that long. */
const costFeatures: readonly Feature[] = costNames.map((name) => ({
  name: `${name} over seed time`,
  value: (facts, { seed }) => log2(facts.times[name]) - seed.log2Us,
}));

const changedCosts: readonly CostName[] = [
  "total",
  "dram",
  "l2",
  "l1",
  "requests",
  "shared",
  "arithmetic",
  "issue",
  "latency",
];

/** The same against the seed's own modelled part: what the model says has changed. */
const changeFeatures: readonly Feature[] = changedCosts.map((name) => ({
  name: `${name} over seed's`,
  value: (facts, { seed }) => log2(facts.times[name]) - log2(seed.facts.times[name]),
}));

function fastestRate(device: DeviceInfo, precisions: readonly Precision[]): number {
  return Math.max(1e12, ...precisions.flatMap((precision) => device.flops[precision] ?? []));
}

function memoryFloorUs({ task, device }: FeatureContext): number {
  return (1e6 * task.workload.bytesMin) / device.bandwidth;
}

const taskFeatures: readonly Feature[] = [
  { name: "memory floor over seed time", value: (_, context) => log2(memoryFloorUs(context)) - context.seed.log2Us },
  {
    name: "compute floor over seed time",
    value: (_, { task, device, seed }) =>
      log2((1e6 * task.workload.flops) / fastestRate(device, task.precisions)) - seed.log2Us,
  },
  { name: "seed's model over its time", value: (_, { seed }) => log2(seed.facts.times.total) - seed.log2Us },
  {
    name: "operations per byte",
    value: (_, { task }) => log2(task.workload.flops / task.workload.bytesMin),
  },
  { name: "dram over memory floor", value: (facts, context) => log2(facts.times.dram / memoryFloorUs(context)) },
  { name: "l2 over memory floor", value: (facts, context) => log2(facts.times.l2 / memoryFloorUs(context)) },
  { name: "total over memory floor", value: (facts, context) => log2(facts.times.total / memoryFloorUs(context)) },
];

type HeaviestLaunch = NonNullable<KernelFacts["heaviest"]>;

function ofHeaviest(name: string, value: (launch: HeaviestLaunch) => number): Feature {
  return { name, value: ({ heaviest }) => (heaviest ? value(heaviest) : Number.NaN) };
}

const launchFeatures: readonly Feature[] = [
  { name: "launches", value: ({ launches }) => launches.length },
  ofHeaviest("threads per block", ({ profile }) => log2(profile.threadsPerBlock)),
  ofHeaviest("blocks", ({ profile }) => log2(profile.blocks)),
  ofHeaviest("threads", ({ profile }) => log2(profile.blocks * profile.threadsPerBlock)),
  ofHeaviest("waves", ({ cost }) => log2(cost.waves)),
  ofHeaviest("last wave's waste", ({ cost }) => cost.rounds / cost.waves),
  ofHeaviest("occupancy", ({ cost }) => cost.occupancy),
  ofHeaviest("registers", ({ cost }) => cost.registers),
  ofHeaviest("shared bytes", ({ profile }) => log2(profile.staticSharedBytes + profile.dynamicSharedBytes + 1)),
  ofHeaviest("local bytes", ({ profile }) => log2(profile.localBytes + 1)),
  ofHeaviest("stack bytes", ({ profile }) => log2(profile.stackBytes + 1)),
  ofHeaviest("overload", ({ cost }) => cost.overload),
  ofHeaviest("loops", ({ profile }) => profile.loops),
  ofHeaviest("deepest loop", ({ profile }) => profile.deepestLoop),
  ofHeaviest("unknown loops", ({ profile }) => profile.unknownLoops),
  ofHeaviest("bank conflicts", ({ profile }) => profile.sharedConflicts / (profile.sharedWavefronts + 1)),
  ofHeaviest("barriers", ({ profile }) => log2(profile.operations.barrier + 0.1)),
  ofHeaviest("overlapped loads", ({ profile }) => {
    const loads = profile.operations.globalLoad + profile.operations.asyncCopy;
    return log2((loads + 0.1) / (profile.dependentLoads + 0.1));
  }),
  ofHeaviest("loads in flight", ({ profile, cost }) => {
    const loads = profile.operations.globalLoad + profile.operations.asyncCopy;
    const together = loads / (profile.dependentLoads + profile.operations.asyncWait + 0.5);
    return log2(cost.occupancy * Math.max(0.1, together) * meanReadBytes(profile.globalSites));
  }),
];

function meanReadBytes(
  sites: readonly { readonly write: boolean; readonly bytes: number; readonly issues: number }[],
): number {
  const reads = sites.filter(({ write }) => !write);
  const issues = reads.reduce((sum, site) => sum + site.issues, 0);
  return issues === 0 ? 1 : reads.reduce((sum, site) => sum + site.issues * site.bytes, 0) / issues;
}

const workFeatures: readonly Feature[] = [
  {
    name: "operations per thread",
    value: (facts, { task }) => log2(task.workload.flops / threads(facts)),
  },
  { name: "bytes per thread", value: (facts, { task }) => log2(task.workload.bytesMin / threads(facts)) },
  { name: "read efficiency", value: (facts) => sectorEfficiency(facts, ({ write }) => !write) },
  { name: "write efficiency", value: (facts) => sectorEfficiency(facts, ({ write, atomic }) => write && !atomic) },
  { name: "read width", value: (facts) => accessWidth(facts, ({ write }) => !write) },
  { name: "write width", value: (facts) => accessWidth(facts, ({ write, atomic }) => write && !atomic) },
  { name: "share of sites known", value: knownShare },
  {
    name: "lanes per atomic address",
    value: (facts) =>
      Math.max(
        0,
        ...facts.launches.flatMap(({ profile }) =>
          profile.globalSites.map((site) => (site.atomic ? site.activeLanes / Math.max(1, site.distinctAddresses) : 0)),
        ),
      ),
  },
];

function threads({ heaviest }: KernelFacts): number {
  return heaviest ? heaviest.profile.blocks * heaviest.profile.threadsPerBlock : Number.NaN;
}

function knownShare({ launches }: KernelFacts): number {
  const sites = launches.flatMap(({ profile }) => profile.globalSites);
  return sites.length === 0 ? Number.NaN : sites.filter(({ known }) => known).length / sites.length;
}

const mixed: readonly OperationName[] = [
  "f16",
  "f64",
  "division",
  "conversion",
  "special",
  "precise",
  "shuffle",
  "globalAtomic",
  "sharedAtomic",
  "asyncCopy",
  "matrix",
  "sharedLoad",
  "call",
];

/** Instructions of each kind for each byte that the task must move. */
const mixFeatures: readonly Feature[] = mixed.map((name) => ({
  name: `${name} per byte`,
  value: (facts, { task }) => log2((1024 * totalOperations(facts, name)) / task.workload.bytesMin),
}));

const textFeatures: readonly Feature[] = [
  { name: "tokens", value: ({ text }) => log2(text.tokens) },
  { name: "largest literal", value: ({ text }) => log2(text.largestLiteral) },
  ...textCounts.map((name): Feature => ({
    name: `${name} in text`,
    value: ({ text }) => Math.min(16, text.counts[name]),
  })),
];

/** Signs that a kernel will fail: for p_ok above all. */
const faultFeatures: readonly Feature[] = [
  { name: "skipped", value: ({ skipped }) => skipped },
  { name: "missing", value: ({ missing }) => missing },
  { name: "incomplete", value: ({ launches }) => launches.filter(({ profile }) => !profile.complete).length },
  { name: "unresolved", value: (facts) => sumOf(facts, ({ profile }) => profile.unresolved) },
  { name: "out of bounds", value: (facts) => sumOf(facts, ({ profile }) => profile.outOfBounds) },
  {
    name: "shared without barrier",
    value: (facts) => sumOf(facts, ({ profile }) => Number(lacksBarrier(profile.operations))),
  },
  {
    name: "reads per byte",
    value: (facts, { task }) => log2(traffic(facts, false) / task.workload.bytesMin),
  },
  {
    name: "writes per byte",
    value: (facts, { task }) => log2(traffic(facts, true) / task.workload.bytesMin),
  },
];

function sumOf({ launches }: KernelFacts, value: (launch: HeaviestLaunch) => number): number {
  return launches.reduce((sum, launch) => sum + value(launch), 0);
}

function lacksBarrier(operations: Readonly<Record<OperationName, number>>): boolean {
  return operations.sharedStore > 0 && operations.sharedLoad > 0 && operations.barrier + operations.warpBarrier === 0;
}

function traffic(facts: KernelFacts, write: boolean): number {
  return sumOf(facts, ({ profile }) =>
    profile.globalSites.reduce((sum, site) => (site.write === write ? sum + 32 * site.gridSectors : sum), 0),
  );
}

const evidenceFeatures: readonly Feature[] = [
  { name: "compiled registers", value: ({ evidence }) => evidence?.regs ?? Number.NaN },
  { name: "compiled spills", value: ({ evidence }) => evidence?.spillBytes ?? Number.NaN },
  { name: "compiled occupancy", value: ({ evidence }) => evidence?.occupancy ?? Number.NaN },
];

const nearCosts: readonly CostName[] = ["total", "l1", "l2", "latency", "issue"];

/** Against the nearest of the other anchors, where there are any. */
const anchorFeatures: readonly Feature[] = [
  { name: "other anchors", value: (_, { others }) => others.length },
  {
    name: "best anchor over seed",
    value: (_, { others, seed }) => Math.min(0, ...others.map(({ log2Us }) => log2Us - seed.log2Us)),
  },
  withNearest("nearest anchor's distance", (facts, near) => distance(facts, near.facts)),
  withNearest("nearest anchor over seed", (_, near, { seed }) => near.log2Us - seed.log2Us),
  ...nearCosts.map((name) =>
    withNearest(
      `${name} over nearest anchor's`,
      (facts, near) => log2(facts.times[name]) - log2(near.facts.times[name]),
    ),
  ),
];

function withNearest(
  name: string,
  value: (facts: KernelFacts, near: AnchorFacts, context: FeatureContext) => number,
): Feature {
  return {
    name,
    value: (facts, context) => {
      const near = nearestAnchor(facts, context.others);
      return near ? value(facts, near, context) : Number.NaN;
    },
  };
}

/** The anchor whose modelled costs are most like a kernel's. */
export function nearestAnchor(facts: KernelFacts, anchors: readonly AnchorFacts[]): AnchorFacts | undefined {
  let nearest: AnchorFacts | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const anchor of anchors) {
    const away = distance(facts, anchor.facts);
    if (away < least) [nearest, least] = [anchor, away];
  }
  return nearest;
}

const compared: readonly CostName[] = [
  "dram",
  "l2",
  "l1",
  "shared",
  "arithmetic",
  "integer",
  "special",
  "matrix",
  "issue",
  "latency",
];

/** Mean difference of modelled parts in log2 units, with the launch's shape. */
function distance(a: KernelFacts, b: KernelFacts): number {
  const parts = compared.reduce(
    (sum, name) => sum + Math.abs(log2(a.times[name] + 0.1) - log2(b.times[name] + 0.1)),
    0,
  );
  const shape = Math.abs(log2(threads(a)) - log2(threads(b)));
  return (parts + (Number.isNaN(shape) ? 4 : shape)) / (compared.length + 1);
}

const all: readonly Feature[] = [
  ...costFeatures,
  ...changeFeatures,
  ...taskFeatures,
  ...launchFeatures,
  ...workFeatures,
  ...mixFeatures,
  ...textFeatures,
  ...faultFeatures,
  ...evidenceFeatures,
  ...anchorFeatures,
];

/** Names of the features, in order; a model file carries them, so that it is not used with others. */
export const featureNames: readonly string[] = all.map(({ name }) => name);

/** Describes a candidate; NaN where something is not known. */
export function featureVector(facts: KernelFacts, context: FeatureContext): Float64Array {
  return Float64Array.from(all, ({ value }) => value(facts, context));
}
