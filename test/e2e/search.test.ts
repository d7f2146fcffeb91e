import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/domain/index.ts";
import { openSqlite } from "../../src/store/sqlite-engine.ts";
import { openRunStore } from "../../src/store/sqlite-run-store.ts";
import { fixtures, runCli, startCli } from "./run-cli.ts";

const scratch = mkdtempSync(join(tmpdir(), "kernelcast-e2e-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let workspaces = 0;
const newWorkspace = (): string => join(scratch, `workspace-${workspaces++}`);

const recordedSearch = (workspace: string, ...more: string[]): string[] => [
  ..."search softmax-f32 --device recorded:atlas --policy top-k --forecaster static --measurements 24 --seed 1 --json".split(
    " ",
  ),
  "--workspace",
  workspace,
  ...more,
];

interface Document {
  readonly run_id: string;
  readonly report: string;
  readonly [key: string]: unknown;
}

const parse = (stdout: string): Document => JSON.parse(stdout) as Document;

/** The decisions and results of a run, without its name and times. */
function logOf(workspace: string, runId: string): string[] {
  const store = openRunStore(join(workspace, "kernelcast.sqlite"));
  try {
    return [...store.events(runId)].map(({ seq, type, at, payload }) => canonicalJson({ seq, type, at, payload }));
  } finally {
    store.close();
  }
}

function countEvents(workspace: string): number {
  const path = join(workspace, "kernelcast.sqlite");
  if (!existsSync(path)) return 0;
  try {
    const database = openSqlite(path);
    const row = database.prepare("SELECT count(*) AS n FROM event").get();
    database.close();
    return Number(row?.["n"] ?? 0);
  } catch {
    return 0; // not migrated yet
  }
}

async function killAfter(
  events: number,
  workspace: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const { child, result } = startCli(args, env);
  let ended = false;
  void result.then(() => (ended = true));
  while (!ended && countEvents(workspace) < events) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  await result;
}

describe("kernelcast search on the recorded H100", () => {
  it("prints one JSON document with every figure, and writes the report", async () => {
    const { code, stdout, stderr } = await runCli(recordedSearch(newWorkspace()));
    expect(stderr).not.toMatch(/kernelcast:/);
    expect(code).toBe(0);
    const document = parse(stdout);
    const keys =
      "audited best considered device duplicates failed measured report run_id seed_kernel skipped spent stopped task trust";
    expect(Object.keys(document).toSorted().join(" ")).toBe(keys);
    expect(document).toMatchObject({
      task: "softmax-f32",
      device: "recorded:atlas",
      measured: 24,
      stopped: "measurements",
    });
    expect(document["best"]).toMatchObject({ confirmed: true });
    expect(Object.keys(document["spent"] as object)).toEqual([
      "gpu_seconds",
      "cpu_seconds",
      "wall_seconds",
      "usd",
      "tokens",
    ]);
    expect(readFileSync(document.report, "utf8")).toContain("confirmed by paired measurement");
  });

  it("decides the same twice, and otherwise with another seed", async () => {
    const spaces = [newWorkspace(), newWorkspace(), newWorkspace()] as const;
    const logs: string[][] = [];
    for (const [index, workspace] of spaces.entries()) {
      const args = recordedSearch(workspace).map((word, at, all) =>
        all[at - 1] === "--seed" && index === 2 ? "2" : word,
      );
      logs.push(logOf(workspace, parse((await runCli(args)).stdout).run_id));
    }
    expect(logs[0]).toEqual(logs[1]);
    expect(logs[0]).not.toEqual(logs[2]);
  });

  it("goes on after kill -9 at several moments, and ends as if nothing had happened", async () => {
    const whole = newWorkspace();
    const undisturbed = parse((await runCli(recordedSearch(whole))).stdout);
    const workspace = newWorkspace();
    for (const events of [1, 20, 60]) await killAfter(events, workspace, recordedSearch(workspace));
    const resumed = parse((await runCli(recordedSearch(workspace))).stdout);
    expect(resumed.run_id).toBe(undisturbed.run_id);
    expect(logOf(workspace, resumed.run_id)).toEqual(logOf(whole, undisturbed.run_id));
    expect({ ...resumed, report: "" }).toEqual({ ...undisturbed, report: "" });
  });
});

const hasPython = spawnSync("python3", ["-c", "import numpy"]).status === 0;
if (!hasPython) console.log("skipped: searches on a live worker need python3 with numpy");

describe.skipIf(!hasPython)("kernelcast search on a live worker (its fake driver)", () => {
  const live = (workspace: string, ...more: string[]): string[] => [
    "search",
    join(fixtures, "scale-vector"),
    ..."--device local --policy measure-all --measurements 12 --seed 3 --json --workspace".split(" "),
    workspace,
    ...more,
  ];

  it("finds, confirms and reports, with receipts in the store", async () => {
    const workspace = newWorkspace();
    const { code, stdout, stderr } = await runCli(live(workspace));
    expect(stderr).not.toMatch(/kernelcast:/);
    expect(code).toBe(0);
    const document = parse(stdout);
    expect(document).toMatchObject({ task: "scale-vector", device: "local", measured: 12 });
    const store = openRunStore(join(workspace, "kernelcast.sqlite"));
    const receipts = [...store.events(document.run_id)].flatMap(({ type, payload }) =>
      type === "measurement-end"
        ? [(payload as { measurement: { receiptSha256?: string } }).measurement.receiptSha256]
        : [],
    );
    expect(receipts.length).toBeGreaterThanOrEqual(12);
    for (const sha256 of receipts) expect(store.blob(sha256 ?? "")).toContain("worker_version");
    store.close();
  });

  it("goes on after kill -9, losing nothing that was acknowledged", async () => {
    const workspace = newWorkspace();
    for (const events of [2, 8, 14]) await killAfter(events, workspace, live(workspace));
    const before = logOf(workspace, parseRun(workspace));
    const { code, stdout } = await runCli(live(workspace));
    expect(code).toBe(0);
    const document = parse(stdout);
    expect(document).toMatchObject({ run_id: parseRun(workspace), measured: 12 });
    expect(logOf(workspace, document.run_id).slice(0, before.length)).toEqual(before);
  });

  it("stops at Ctrl-C with one line and exit code 130, twice at once too", async () => {
    for (const presses of [1, 2]) {
      const workspace = newWorkspace();
      const { child, result } = startCli(live(workspace));
      while (countEvents(workspace) < 6) await new Promise((resolve) => setTimeout(resolve, 5));
      for (let press = 0; press < presses; press++) child.kill("SIGINT");
      const { code, stdout, stderr } = await result;
      expect(code).toBe(130);
      expect(stdout).toBe("");
      if (presses === 1) expect(stderr).toMatch(/kernelcast: interrupted; give the same command again/);
      const resumed = await runCli(live(workspace));
      expect(parse(resumed.stdout)).toMatchObject({ measured: 12 });
    }
  });
});

function parseRun(workspace: string): string {
  const store = openRunStore(join(workspace, "kernelcast.sqlite"));
  const [run] = store.runs();
  store.close();
  return run?.runId ?? "";
}
