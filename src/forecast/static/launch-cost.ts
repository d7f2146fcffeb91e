import type { DeviceInfo, Evidence, Precision } from "../../domain/index.ts";
import { sectorBytes } from "./analysis/memory-access.ts";
import type { GlobalSite, LaunchProfile } from "./analysis/profile.ts";

/**
 * Times in µs that each part of the device would need for a launch if nothing else held it up, and how the launch fills
 * the device. A model: only ratios of its figures between kernels of one task are to be relied on.
 */
export interface LaunchCost {
  /** Device memory with every pass over a buffer paid for, and with each buffer fetched once. */
  readonly dram: number;
  readonly dramOnce: number;
  readonly l2: number;
  readonly l1: number;
  readonly requests: number;
  readonly shared: number;
  readonly arithmetic: number;
  readonly integer: number;
  readonly special: number;
  readonly matrix: number;
  readonly issue: number;
  readonly latency: number;
  readonly atomic: number;
  /** All of them together. */
  readonly total: number;
  readonly occupancy: number;
  /** Rounds of blocks, whole and exact. */
  readonly rounds: number;
  readonly waves: number;
  readonly registers: number;
  /** Above 1 where the launch asks for more than a block may have. */
  readonly overload: number;
}

/** Names of the parts that are times. */
export const costNames = [
  "dram",
  "dramOnce",
  "l2",
  "l1",
  "requests",
  "shared",
  "arithmetic",
  "integer",
  "special",
  "matrix",
  "issue",
  "latency",
  "atomic",
  "total",
] as const;

export type CostName = (typeof costNames)[number];

/** Cycles: a load that misses the first-level cache, one of shared memory, a barrier, a shuffle, a wait for a copy. */
const cycles = { load: 600, shared: 60, barrier: 90, shuffle: 30, wait: 300 };

/** Instructions that a precise function and a division stand for. */
const expansion = { precise: 12, division: 9 };

/** Reads and writes of the second-level cache against those of device memory. */
const l2OverDram = 2.2;

/** Cost of one launch on a device. `evidence` tells the registers where a compiler was asked. */
export function launchCost(
  profile: LaunchProfile,
  device: DeviceInfo,
  precisions: readonly Precision[],
  evidence: Evidence | undefined,
): LaunchCost {
  const residency = resident(profile, device, evidence?.regs);
  const times = {
    ...memoryTimes(profile, device, residency),
    ...computeTimes(profile, device, precisions, residency.rounds),
  };
  return { ...times, ...residency, total: combine(Object.values(times)) + device.launchFloorUs / 2 };
}

/** The slowest part, plus a share of the rest for what does not overlap. */
function combine(times: readonly number[]): number {
  const slowest = Math.max(...times);
  return slowest + 0.12 * (times.reduce((sum, time) => sum + time, 0) - slowest);
}

function clock(device: DeviceInfo): number {
  const flops = device.flops.f32;
  return flops ? flops / (device.multiprocessors * 256) : 1.7e9;
}

type Residency = Pick<LaunchCost, "occupancy" | "rounds" | "waves" | "registers" | "overload"> & {
  /** Blocks on one multiprocessor at a time. */
  readonly perMultiprocessor: number;
};

function resident(profile: LaunchProfile, device: DeviceInfo, measured: number | undefined): Residency {
  const registers = measured ?? Math.min(255, 24 + (profile.localBytes - profile.stackBytes) / 4);
  const threads = profile.warpsPerBlock * 32;
  const shared = profile.staticSharedBytes + profile.dynamicSharedBytes;
  const limits = [
    Math.floor(device.maxThreadsPerMultiprocessor / threads),
    Math.floor(device.registersPerMultiprocessor / (registers * threads)),
    Math.floor(device.sharedMemoryPerMultiprocessor / (shared + 1024)),
    32,
  ];
  const perMultiprocessor = Math.max(1, Math.min(...limits));
  const waves = profile.blocks / (device.multiprocessors * perMultiprocessor);
  return {
    perMultiprocessor,
    occupancy: Math.min(1, (perMultiprocessor * threads) / device.maxThreadsPerMultiprocessor),
    rounds: Math.ceil(waves),
    waves,
    registers,
    overload: Math.max(
      shared / device.sharedMemoryPerBlock,
      profile.threadsPerBlock / 1024,
      ((measured ?? 0) * threads) / 65_536,
    ),
  };
}

type MemoryTimes = Pick<LaunchCost, "dram" | "dramOnce" | "l2" | "l1" | "requests" | "shared" | "atomic">;

function memoryTimes(profile: LaunchProfile, device: DeviceInfo, { perMultiprocessor }: Residency): MemoryTimes {
  const warps = profile.blocks * profile.warpsPerBlock;
  const perCycle = device.multiprocessors * clock(device);
  const sites = profile.globalSites;
  const sum = (figure: (site: GlobalSite) => number): number => sites.reduce((total, site) => total + figure(site), 0);
  const cache = firstLevel(profile, device, perMultiprocessor);
  const stack = stackBytes(profile, device, cache);
  const l2Bytes = sectorBytes * sum((site) => l2Sectors(site, profile, cache)) + stack.l2;
  const blocks = Math.min(profile.blocks, perMultiprocessor * device.multiprocessors);
  const dram = deviceBytes(sites, blocks, device) + stack.dram;
  const stackSectors = profile.stackTraffic * warps;
  return {
    dram: (1e6 * dram) / device.bandwidth,
    dramOnce: (1e6 * bufferBytes(sites)) / device.bandwidth,
    l2: (1e6 * l2Bytes) / (device.bandwidth * l2OverDram),
    l1: (1e6 * (warps * sum((site) => site.issues * site.sectors) + stackSectors)) / (4 * perCycle),
    requests: (1e6 * warps * sum((site) => site.issues * Math.max(1, site.requestedBytes / 128))) / perCycle,
    shared: (1e6 * warps * profile.sharedWavefronts) / perCycle,
    atomic: (1e6 * atomicCycles(profile, warps)) / clock(device),
  };
}

/** The first-level cache of a multiprocessor beside its shared memory, and the warps and reads that compete for it. */
interface FirstLevel {
  readonly bytes: number;
  readonly warps: number;
  readonly readSectors: number;
}

function firstLevel(profile: LaunchProfile, device: DeviceInfo, perMultiprocessor: number): FirstLevel {
  const blocks = Math.min(perMultiprocessor, Math.ceil(profile.blocks / device.multiprocessors));
  const shared = blocks * (profile.staticSharedBytes + profile.dynamicSharedBytes);
  return {
    bytes: Math.max(16_384, device.sharedMemoryPerMultiprocessor - shared),
    warps: blocks * profile.warpsPerBlock,
    readSectors: profile.globalSites.reduce((sum, site) => (site.write ? sum : sum + site.sectors), 0),
  };
}

/** Sectors that a site moves between the two caches in the whole launch. */
function l2Sectors(site: GlobalSite, profile: LaunchProfile, cache: FirstLevel): number {
  const requests = site.issues * profile.warpsPerBlock * profile.blocks;
  if (site.repeated) return 0;
  if (site.write) {
    const filled = Math.min(1, site.requestedBytes / (sectorBytes * Math.max(site.sectors, 1e-9)));
    return requests * site.sectors * (1 + partialWrite * (1 - filled));
  }
  const share = (cache.bytes * site.sectors) / Math.max(site.sectors, cache.readSectors);
  const fits = (sectors: number): boolean => sectors * sectorBytes * cache.warps <= share;
  let sectors = site.sectors;
  let trips = 1;
  for (const loop of site.loops) {
    sectors *= fits(sectors) ? loop.growth : loop.trips;
    trips *= loop.trips;
  }
  const grows = fits(sectors / profile.warpsPerBlock) ? site.warpGrowth : profile.warpsPerBlock;
  return sectors * Math.min(1, site.issues / trips) * grows * profile.blocks;
}

/** What a sector costs more that is written in part. */
const partialWrite = 2;

/** Bytes of stack arrays that leave the first-level cache, and the second. */
function stackBytes(
  profile: LaunchProfile,
  device: DeviceInfo,
  cache: FirstLevel,
): { readonly l2: number; readonly dram: number } {
  const live = profile.stackBytes * 32 * cache.warps;
  const moved = profile.stackTraffic * 32 * profile.warpsPerBlock * profile.blocks;
  if (live <= cache.bytes) return { l2: 0, dram: 0 };
  return { l2: moved, dram: live * device.multiprocessors > device.l2Bytes / 2 ? moved / 2 : 0 };
}

/**
 * Bytes between device memory and the second-level cache. Several passes over one buffer pay once where the blocks that
 * run together leave all they touch in the cache.
 */
function deviceBytes(sites: readonly GlobalSite[], blocks: number, device: DeviceInfo): number {
  const buffers = new Map<string, { sum: number; most: number; live: number }>();
  for (const { buffer, write, gridSectors, blockSectors } of sites.filter(({ repeated }) => !repeated)) {
    const key = `${buffer} ${write}`;
    const known = buffers.get(key) ?? { sum: 0, most: 0, live: 0 };
    buffers.set(key, {
      sum: known.sum + gridSectors * sectorBytes,
      most: Math.max(known.most, gridSectors * sectorBytes),
      live: Math.max(known.live, blockSectors * sectorBytes * blocks),
    });
  }
  return [...buffers.values()].reduce(
    (total, { sum, most, live }) => total + (Math.min(live, most) < device.l2Bytes / 2 ? most : sum),
    0,
  );
}

/** Bytes of all buffers when each is fetched and written once. */
function bufferBytes(sites: readonly GlobalSite[]): number {
  const largest = new Map<string, number>();
  for (const { buffer, write, gridSectors } of sites) {
    const key = `${buffer} ${write}`;
    largest.set(key, Math.max(largest.get(key) ?? 0, gridSectors * sectorBytes));
  }
  return [...largest.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Atomics a cycle that the device works off on one address, and on many. */
const atomicRate = { one: 6, many: 96 };

/** Atomics on one address follow one another; a request to many spreads over the cache's slices. */
function atomicCycles(profile: LaunchProfile, warps: number): number {
  return profile.globalSites
    .filter(({ atomic }) => atomic)
    .reduce((sum, { issues, activeLanes, distinctAddresses }) => {
      const rate = Math.min(atomicRate.many, atomicRate.one * Math.max(1, distinctAddresses) ** 0.8);
      return sum + (issues * warps * activeLanes) / rate;
    }, 0);
}

type ComputeTimes = Pick<LaunchCost, "arithmetic" | "integer" | "special" | "matrix" | "issue" | "latency">;

function computeTimes(
  profile: LaunchProfile,
  device: DeviceInfo,
  precisions: readonly Precision[],
  rounds: number,
): ComputeTimes {
  const { operations } = profile;
  const warps = profile.blocks * profile.warpsPerBlock;
  const perCycle = device.multiprocessors * clock(device);
  const time = (instructions: number, rate: number): number => (1e6 * warps * instructions) / (rate * perCycle);
  const f64Rate = (4 * (device.flops.f64 ?? 0)) / (device.flops.f32 ?? Number.POSITIVE_INFINITY) || 2;
  const extra = expansion.precise * operations.precise + expansion.division * operations.division;
  const instructions = Object.values(operations).reduce((sum, count) => sum + count, 0) + extra;
  return {
    arithmetic: time(operations.f32 + operations.f16 + extra, 4) + time(operations.f64, f64Rate),
    integer: time(operations.integer, 2),
    special: time(
      operations.special + 1.5 * operations.precise + operations.division + 0.3 * operations.conversion,
      0.5,
    ),
    matrix: (1e6 * profile.matrixFlops * warps) / matrixRate(device, precisions),
    issue: time(instructions, 4),
    latency: (1e6 * rounds * criticalCycles(profile)) / clock(device),
  };
}

function matrixRate(device: DeviceInfo, precisions: readonly Precision[]): number {
  const rates = precisions.flatMap((precision) => device.flops[precision] ?? []);
  return 0.7 * Math.max(1e12, ...rates);
}

function criticalCycles(profile: LaunchProfile): number {
  const { operations } = profile;
  return (
    cycles.load * profile.dependentLoads +
    cycles.shared * profile.dependentShared +
    cycles.barrier * operations.barrier +
    cycles.shuffle * operations.shuffle +
    cycles.wait * operations.asyncWait +
    cycles.load
  );
}
