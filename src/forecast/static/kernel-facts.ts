import type { DeviceInfo, Evidence, Kernel, Task } from "../../domain/index.ts";
import { preprocess } from "./analysis/preprocess.ts";
import { profileKernel } from "./analysis/profile-kernel.ts";
import type { GlobalSite, LaunchProfile, OperationName } from "./analysis/profile.ts";
import { executionFacts, withEvidence, type ExecutionFacts } from "./execution/execution-facts.ts";
import { faultFacts, type FaultFacts } from "./fault-facts.ts";
import { costNames, launchCost, type CostName, type LaunchCost } from "./launch-cost.ts";
import { textFacts, type TextFacts } from "./text-facts.ts";

/** One launch with what it would cost. */
export interface LaunchFacts {
  readonly profile: LaunchProfile;
  readonly cost: LaunchCost;
}

/** All that is known of a kernel on a device without running it. */
export interface KernelFacts {
  readonly launches: readonly LaunchFacts[];
  /** The launch that costs most; undefined where no launch could be read. */
  readonly heaviest: LaunchFacts | undefined;
  /** Sums over the launches in µs. */
  readonly times: Readonly<Record<CostName, number>>;
  readonly text: TextFacts;
  readonly faults: FaultFacts;
  /** What running some blocks showed. */
  readonly execution: ExecutionFacts;
  readonly evidence: Evidence | undefined;
  readonly skipped: number;
  readonly missing: number;
}

/** Reads a kernel's facts; `ran` is what running it shows, where that is known. Never fails on a source. */
export function kernelFacts(
  kernel: Kernel,
  task: Task,
  device: DeviceInfo,
  evidence: Evidence | undefined,
  ran: ExecutionFacts = executionFacts(kernel, task),
): KernelFacts {
  const tokens = preprocess(kernel.source, kernel.compileOptions);
  const { launches: profiles, skipped, missing } = profileKernel(kernel, task, tokens);
  const launches = profiles.map((profile) => ({
    profile,
    cost: launchCost(profile, device, task.precisions, profiles.length === 1 ? evidence : undefined),
  }));
  const times = Object.fromEntries(
    costNames.map((name) => [name, launches.reduce((sum, { cost }) => sum + cost[name], 0)]),
  ) as Record<CostName, number>;
  const heaviest = launches.toSorted((a, b) => b.cost.total - a.cost.total)[0];
  return {
    launches,
    heaviest,
    times,
    text: textFacts(tokens),
    faults: faultFacts(kernel.source, profiles, task),
    execution: withEvidence(ran, kernel, task, evidence),
    evidence,
    skipped,
    missing,
  };
}

/** Sum over all launches of an operation, per element of work: instructions issued by warps. */
export function totalOperations(facts: KernelFacts, name: OperationName): number {
  return facts.launches.reduce(
    (sum, { profile }) => sum + profile.operations[name] * profile.warpsPerBlock * profile.blocks,
    0,
  );
}

/** Bytes asked for over bytes moved by the requests of some sites; 1 is perfectly coalesced. NaN without any. */
export function sectorEfficiency(facts: KernelFacts, choose: (site: GlobalSite) => boolean): number {
  let [asked, moved] = [0, 0];
  for (const { profile } of facts.launches) {
    const warps = profile.warpsPerBlock * profile.blocks;
    for (const site of profile.globalSites.filter(choose)) {
      asked += warps * site.issues * site.requestedBytes;
      moved += warps * site.issues * site.sectors * 32;
    }
  }
  return moved === 0 ? Number.NaN : Math.min(4, asked / moved);
}

/** Average bytes per lane of some sites, by requests. NaN without any. */
export function accessWidth(facts: KernelFacts, choose: (site: GlobalSite) => boolean): number {
  let [bytes, requests] = [0, 0];
  for (const { profile } of facts.launches) {
    const warps = profile.warpsPerBlock * profile.blocks;
    for (const site of profile.globalSites.filter(choose)) {
      bytes += warps * site.issues * site.bytes;
      requests += warps * site.issues;
    }
  }
  return requests === 0 ? Number.NaN : bytes / requests;
}
