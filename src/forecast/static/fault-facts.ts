import { isCode, lexCuda, type Task } from "../../domain/index.ts";
import type { GlobalSite, LaunchProfile } from "./analysis/profile.ts";

/** Signs that a kernel will not compile or not agree, as far as its source and launches show. */
export interface FaultFacts {
  /** Smallest share of an output that is written, and of an input that is read; at most 1. */
  readonly outputCoverage: number;
  readonly inputCoverage: number;
  /** Buffers that hold no input and are read, or added to, before any launch has written them. */
  readonly readsBeforeWrites: number;
  /** Headers whose names are used without being included. */
  readonly missingHeaders: number;
}

/** Looks for faults in a kernel's launches, in order. */
export function faultFacts(source: string, profiles: readonly LaunchProfile[], task: Task): FaultFacts {
  const sites = profiles.flatMap(({ globalSites }) => globalSites);
  const { args } = task.workload;
  const outputs = args.filter(({ role }) => role === "out" || role === "inout");
  const inputs = args.filter(({ role }) => role === "in");
  return {
    outputCoverage: Math.min(1, ...outputs.map(({ name }) => outputCoverage(profiles, sites, name))),
    inputCoverage: Math.min(1, ...inputs.map(({ name }) => coverage(sites, name, false))),
    readsBeforeWrites: countEarlyReads(profiles, task),
    missingHeaders: missingHeaders(source),
  };
}

/** An output that nothing was seen to write is not known to be left out where not all of the launches was seen. */
function outputCoverage(profiles: readonly LaunchProfile[], sites: readonly GlobalSite[], name: string): number {
  const share = coverage(sites, name, true);
  return share === 0 && profiles.some(({ unseen }) => unseen) ? 1 : share;
}

function coverage(sites: readonly GlobalSite[], buffer: string, write: boolean): number {
  return sites
    .filter((site) => site.buffer === buffer && site.write === write)
    .reduce((sum, { gridSectors, bufferSectors }) => sum + Math.max(1, gridSectors) / bufferSectors, 0);
}

function countEarlyReads(profiles: readonly LaunchProfile[], task: Task): number {
  const written = new Set(
    task.workload.args.filter(({ role }) => role === "in" || role === "inout").map(({ name }) => name),
  );
  const early = new Set<string>();
  for (const { globalSites } of profiles) {
    const own = new Set(globalSites.filter(({ write, atomic }) => write && !atomic).map(({ buffer }) => buffer));
    for (const { buffer, write, atomic } of globalSites) {
      const reads = !write || atomic;
      if (reads && !written.has(buffer) && !own.has(buffer)) early.add(buffer);
    }
    for (const buffer of own) written.add(buffer);
  }
  return early.size;
}

const headers: readonly (readonly [RegExp, RegExp])[] = [
  [/^(__half2?|half2|__(float|half|int|uint)\w*2half\w*|__half\w*2float\w*|__h(add|mul|fma|sub)2?)$/, /fp16|mma\.h/],
  [/^(__)?nv_bfloat162?$|^__\w*bfloat16\w*$/, /bf16|mma\.h/],
  [/^__pipeline_\w+$/, /pipeline/],
  [/^(wmma|nvcuda)$/, /mma/],
  [/^cooperative_groups$/, /cooperative_groups/],
];

function missingHeaders(source: string): number {
  const tokens = lexCuda(source).filter(isCode);
  const included = [...source.matchAll(/^\s*#\s*include\s*[<"]([^>"]*)[>"]/gm)].map(([, name]) => name ?? "").join(" ");
  return headers.filter(([uses, header]) => !header.test(included) && tokens.some(({ text }) => uses.test(text)))
    .length;
}
