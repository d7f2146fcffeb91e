/**
 * `npx tsx bench/kernel-tuner/compare.ts CACHE… --traces FILE [--traces FILE]… [--out results.json] [--json]`: what the searches of `ours.ts` and
 * `strategies.py` are worth: measurements and simulated seconds to within 10, 5 and 1 % of a space's optimum. All arms are judged
 * alike, from what they tried.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { geometricMean } from "../../src/domain/statistics/index.ts";
import { readBenchSpace, type BenchSpace } from "./bench-space.ts";
import { costsOf, percent, rounded, scoreArm, shares, type ArmScore } from "./score.ts";
import { readTraces, type Trace } from "./traces.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    traces: { type: "string", multiple: true },
    out: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
if (positionals.length === 0 || !values.traces) throw new Error("give cache files and --traces FILE");

interface ArmResult {
  /** Whose search it is. */
  readonly by: "kernelcast" | "kernel-tuner";
  /** Geometric means over the spaces of the restricted means; absent where the arm lacks a space. */
  readonly over_spaces?: Readonly<Record<string, { readonly measurements: number; readonly seconds: number }>>;
  readonly spaces: Readonly<Record<string, ArmScore>>;
  /** Why it did not run, where it never tried anything. */
  readonly fault?: string;
}

const traces = values.traces.flatMap((path) => readTraces(path));
const spaces: BenchSpace[] = [];
for (const path of positionals) spaces.push(await readBenchSpace(path));
const results = compare(spaces, traces);
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(results, null, 2)}\n`);
if (values.json) console.log(JSON.stringify(results, null, 2));
else printTables();

function compare(known: readonly BenchSpace[], all: readonly Trace[]) {
  const limits = [...new Set(all.map(({ limit }) => limit))];
  if (limits.length !== 1) throw new Error(`the traces have limits of ${limits.join(" and ")}; give those of one`);
  const costs = new Map(known.map((space) => [space.name, costsOf(space)]));
  const names = [...new Set(all.map(({ strategy }) => strategy))];
  const arms = Object.fromEntries(
    names.map((name) => [name, armResult(all.filter(({ strategy }) => strategy === name))]),
  );
  return {
    kernel_tuner: all.find(({ kernel_tuner: version }) => version !== undefined)?.kernel_tuner,
    limit: limits[0],
    spaces: Object.fromEntries(known.map((space) => [space.name, spaceFacts(space)])),
    arms,
    best: Object.fromEntries(shares.map((share) => [percent(share), bestArms(arms, percent(share))])),
  };

  function spaceFacts(space: BenchSpace) {
    const optimum = costs.get(space.name)?.optimumMs ?? Number.NaN;
    const good = (share: number): number =>
      space.timesMs.filter((time) => time !== undefined && time <= optimum * (1 + share)).length;
    return {
      configurations: space.timesMs.length,
      failed: space.timesMs.filter((time) => time === undefined).length,
      optimum_ms: rounded(optimum),
      within: Object.fromEntries(shares.map((share) => [percent(share), good(share)])),
    };
  }

  function armResult(own: readonly Trace[]): ArmResult {
    const scores = known.flatMap((space) => {
      const score = scoreArm(
        own.filter((trace) => trace.space === space.name),
        space,
        costs.get(space.name) ?? costsOf(space),
      );
      return score ? [[space.name, score] as const] : [];
    });
    const fault = own.find((trace) => trace.fault !== undefined)?.fault;
    return {
      by: own[0]?.kernel_tuner === undefined ? "kernelcast" : "kernel-tuner",
      ...(scores.length === known.length ? { over_spaces: overSpaces(scores.map(([, score]) => score)) } : {}),
      spaces: Object.fromEntries(scores),
      ...(scores.length === 0 && fault !== undefined ? { fault } : {}),
    };
  }
}

function overSpaces(scores: readonly ArmScore[]): NonNullable<ArmResult["over_spaces"]> {
  return Object.fromEntries(
    shares.map((share) => {
      const within = scores.map((score) => score.within[percent(share)]);
      const over = (quantity: "measurements" | "seconds"): number =>
        rounded(geometricMean(within.map((one) => one?.[quantity].mean ?? Number.NaN)) ?? Number.NaN);
      return [percent(share), { measurements: over("measurements"), seconds: over("seconds") }];
    }),
  );
}

/** The best single arm of either side over the spaces, by measurements, and how many times as many Kernel Tuner's needs. */
function bestArms(arms: Readonly<Record<string, ArmResult>>, share: string) {
  const best = (by: ArmResult["by"]) =>
    Object.entries(arms)
      .flatMap(([name, arm]) => {
        const measurements = arm.over_spaces?.[share]?.measurements;
        return arm.by === by && measurements !== undefined ? [{ arm: name, measurements }] : [];
      })
      .toSorted((a, b) => a.measurements - b.measurements)[0];
  const [ours, theirs] = [best("kernelcast"), best("kernel-tuner")];
  return {
    kernelcast: ours,
    kernel_tuner: theirs,
    ratio: ours && theirs && rounded(theirs.measurements / ours.measurements),
  };
}

function printTables(): void {
  const rows = Object.entries(results.arms)
    .toSorted(
      ([, a], [, b]) =>
        (a.over_spaces?.["5%"]?.measurements ?? Infinity) - (b.over_spaces?.["5%"]?.measurements ?? Infinity),
    )
    .map(([arm, { by, over_spaces: over, spaces: scored, fault }]) => {
      const each = shares.map((share) => [`to ${percent(share)}`, over?.[percent(share)]?.measurements] as const);
      const time = shares.map((share) => [`s to ${percent(share)}`, over?.[percent(share)]?.seconds] as const);
      const runs = Object.values(scored).reduce((sum, score) => sum + score.runs, 0);
      return { arm, by, ...Object.fromEntries([...each, ...time]), runs, ...(fault === undefined ? {} : { fault }) };
    });
  console.table(rows);
  console.log(JSON.stringify(results.best));
}
