import type { DeviceInfo, Precision, Task } from "../../domain/index.ts";
import type { OperationName } from "./analysis/profile.ts";
import { executionFeatures } from "./execution-features.ts";
import { accessWidth, sectorEfficiency, totalOperations, type KernelFacts } from "./kernel-facts.ts";
import { costNames, type CostName } from "./launch-cost.ts";
import { textCounts } from "./text-facts.ts";

/** A measured kernel with its facts. `log2Us` is log2 of its runtime in µs. */
export interface AnchorFacts {
  readonly facts: KernelFacts;
  readonly log2Us: number;
}

/** What a candidate is described against. `seed` gives the scale. */
export interface FeatureContext {
  readonly task: Task;
  readonly device: DeviceInfo;
  readonly seed: AnchorFacts;
}

interface Feature {
  readonly name: string;
  readonly value: (facts: KernelFacts, context: FeatureContext) => number;
}

/** log2 with a floor, so that "none" is a number like any other. */
function log2(x: number): number {
  return Number.isNaN(x) ? x : Math.log2(Math.max(x, 1e-3));
}

/** Share of its kernel's total that a part counts for at least, so that "none" is near "hardly any". */
const leastShare = 0.03;

/** log2 of a part of the cost model in µs. */
function log2Part({ times }: KernelFacts, name: CostName): number {
  return log2(Math.max(times[name], leastShare * times.total));
}

/** Each part of the cost model against the seed's measured time: where a part is near 0, it alone takes that long. */
const costFeatures: readonly Feature[] = costNames.map((name) => ({
  name: `${name} over seed time`,
  value: (facts, { seed }) => log2Part(facts, name) - seed.log2Us,
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
  value: (facts, { seed }) => log2Part(facts, name) - log2Part(seed.facts, name),
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
  { name: "signs of failure", value: signsOfFailure },
  { name: "skipped", value: ({ skipped }) => skipped },
  { name: "output coverage", value: ({ faults }) => faults.outputCoverage },
  { name: "input coverage", value: ({ faults }) => faults.inputCoverage },
  { name: "reads before writes", value: ({ faults }) => faults.readsBeforeWrites },
  { name: "missing headers", value: ({ faults }) => faults.missingHeaders },
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

/** How many kinds of fault show; each alone is too rare to learn from. */
function signsOfFailure(facts: KernelFacts): number {
  const { faults, launches } = facts;
  const signs = [
    launches.some(({ cost }) => cost.overload > 1),
    launches.some(({ profile }) => profile.unknownLoops > 0 || !profile.complete),
    sumOf(facts, ({ profile }) => profile.outOfBounds) > 0,
    sumOf(facts, ({ profile }) => profile.unresolved + profile.operations.call) > 0,
    sumOf(facts, ({ profile }) => Number(lacksBarrier(profile.operations))) > 0,
    faults.missingHeaders > 0,
    faults.readsBeforeWrites > 0,
    faults.outputCoverage < 0.6,
    facts.skipped + facts.missing > 0,
  ];
  return signs.filter(Boolean).length;
}

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

/** How unlike two kernels of a task do their work: mean difference of modelled parts and of threads, in log2 units. */
export function factsDistance(a: KernelFacts, b: KernelFacts): number {
  const parts = compared.reduce((sum, name) => sum + Math.abs(log2Part(a, name) - log2Part(b, name)), 0);
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
  ...executionFeatures.map(({ name, value }): Feature => ({ name, value: ({ execution }) => value(execution) })),
  ...evidenceFeatures,
];

/** Names of the features, in order; a model file carries them, so that it is not used with others. */
export const featureNames: readonly string[] = all.map(({ name }) => name);

/** Describes a candidate; NaN where something is not known. */
export function featureVector(facts: KernelFacts, context: FeatureContext): Float64Array {
  return Float64Array.from(all, ({ value }) => value(facts, context));
}
