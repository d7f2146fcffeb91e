/**
 * `npm run results:live`: replays the exported runs of docs/results/live-h100, matches their receipts, and writes the
 * tables of its README from them, from the second run's agreement, the cheats and the throughput.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readLiveRun, type LiveRun } from "./live-run.ts";
import { markdownTable, replaceBetween } from "./markdown.ts";

const results = fileURLToPath(new URL("../docs/results/live-h100", import.meta.url));

/** Folders of the exported live runs, one per task. */
export function liveRunFolders(): readonly string[] {
  return readdirSync(results)
    .map((name) => join(results, name))
    .filter((folder) => existsSync(join(folder, "events.jsonl.gz")))
    .sort();
}

function foundTable(runs: readonly LiveRun[]): string {
  return markdownTable(
    [
      "task",
      "seed µs",
      "best µs",
      "speedup",
      "best kernel",
      "considered",
      "measured",
      "skipped",
      "duplicates",
      "failed",
    ],
    runs.map(({ summary: { task, seed_kernel: seed, best, ...counts } }) => [
      task,
      seed.runtime_us?.toFixed(1) ?? "-",
      best?.runtime_us.toFixed(1) ?? "-",
      best ? `${best.speedup.toFixed(2)} ×` : "-",
      best ? `\`${best.kernel_id}\`` : "-",
      counts.considered,
      counts.measured,
      counts.skipped,
      counts.duplicates,
      counts.failed,
    ]),
  );
}

function costTable(runs: readonly LiveRun[]): string {
  return markdownTable(
    ["task", "GPU-seconds", "CPU-seconds", "wall seconds", "receipts", "device", "driver", "throttled"],
    runs.map(({ summary: { task, spent }, receipts }) => {
      const environments = receipts.map(({ environment_before: environment }) => environment);
      const throttled = environments.filter(({ throttle }) => throttle.length > 0).length;
      return [
        task,
        spent.gpu_seconds.toFixed(1),
        spent.cpu_seconds.toFixed(1),
        spent.wall_seconds.toFixed(1),
        receipts.length,
        environments[0]?.device ?? "-",
        environments[0]?.driver ?? "-",
        throttled,
      ];
    }),
  );
}

interface Differences {
  readonly kernels: number;
  readonly median: number;
  readonly p90: number;
  readonly most: number;
}

function agreementTable(): string {
  const agreement = readJson("agreement.json") as Record<"screened_again" | "confirmed_in_two_processes", Differences>;
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const row = (name: string, { kernels, median, p90, most }: Differences): readonly (string | number)[] => [
    name,
    kernels,
    percent(median),
    percent(p90),
    percent(most),
  ];
  return markdownTable(
    ["difference between", "kernels", "median", "90 % of kernels within", "largest"],
    [
      row("the search's screening and a screening in the second run", agreement.screened_again),
      row("two confirmations in two processes", agreement.confirmed_in_two_processes),
    ],
  );
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(results, name), "utf8"));
}

function cheatsLine(): string {
  const lines = readFileSync(join(results, "cheats.txt"), "utf8").trim().split("\n");
  const caught = lines.filter((line) => line.startsWith("caught")).map((line) => `\`${line.split(/\s+/)[1]}\``);
  return `${lines.at(-1)}; caught by name: ${caught.join(", ")}.`;
}

function throughputLine(): string {
  const figures = readJson("throughput.json") as Record<string, number>;
  return `${figures["kernels"]} kernels, ${figures["kernels_per_s"]} kernels per second (16 cores compiling), ${figures["gpu_ms_per_kernel"]} ms of the device per kernel.`;
}

function writeReadme(): void {
  const path = join(results, "README.md");
  const runs = liveRunFolders().map(readLiveRun);
  const parts: Readonly<Record<string, string>> = {
    found: foundTable(runs),
    cost: costTable(runs),
    agreement: agreementTable(),
    cheats: cheatsLine(),
    throughput: throughputLine(),
  };
  let text = readFileSync(path, "utf8");
  for (const [name, content] of Object.entries(parts)) text = replaceBetween(text, name, content);
  writeFileSync(path, text);
  console.log(
    `${runs.length} runs replayed, ${runs.reduce((sum, { receipts }) => sum + receipts.length, 0)} receipts matched`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeReadme();
