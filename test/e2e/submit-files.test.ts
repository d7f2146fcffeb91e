/** Rounds of files as a coding agent writes them, handed to a run that moves to another machine between them. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CandidateRecord, SearchInput } from "../../src/search/events.ts";
import { openRunStore } from "../../src/store/sqlite-run-store.ts";
import { faultLines, fixtures, hasWorkerPython, runCli, scratchFolder } from "./run-cli.ts";
import { parseAnswer, submitTo, waitingSearchOf, type Waiting } from "./waiting-search.ts";

const scratch = scratchFolder("submit-files");
afterAll(() => scratch.remove());

const taskFolder = join(fixtures, "scale-vector");
const seed = readFileSync(join(taskFolder, "seed.cu"), "utf8");
const ownLaunches = `- { kernel: scale, grid: ["ceil_div(n, BLOCK * ITEMS)", 1, 1], block: [BLOCK, 1, 1], smem_bytes: 64, args: [x, out, { i32: n }] }\n`;

type Idea = Readonly<{ file: string; parent?: string | null; idea?: string; expect?: string }>;

/** A folder with sources that differ in their text, launches beside some of them, and what is told of them. */
function folderOf(names: readonly string[], launches: readonly string[], ideas: readonly Idea[]): string {
  const folder = scratch.next();
  mkdirSync(folder);
  for (const name of names)
    writeFileSync(join(folder, `${name}.cu`), `${seed}\n__device__ int unused_${name.replace(/\W/g, "_")};\n`);
  for (const name of launches) writeFileSync(join(folder, `${name}.yaml`), ownLaunches);
  writeFileSync(join(folder, "ideas.jsonl"), ideas.map((idea) => `${JSON.stringify(idea)}\n`).join(""));
  return folder;
}

function eventsOf(workspace: string): SearchInput[] {
  const store = openRunStore(join(workspace, "kernelcast.sqlite"));
  try {
    return [...store.events("mine")].map(({ payload }) => payload as SearchInput);
  } finally {
    store.close();
  }
}

function recordsOf(workspace: string): CandidateRecord[] {
  return eventsOf(workspace).flatMap((event) => (event.type === "proposal-end" ? event.candidates : []));
}

if (!hasWorkerPython) console.log("skipped: submitting to a live worker needs python3 with numpy");

describe.skipIf(!hasWorkerPython)("rounds of files on a live worker (its fake driver)", () => {
  const flags = ["--device", "local", "--policy", "measure-all", "--measurements", "9", "--proposer", "external:2"];

  it("keep launches, ideas and parents, and go on in a copy of the workspace on another machine", async () => {
    const folder = folderOf(
      ["k1", "k2", "k3", "k4"],
      ["k2"],
      [
        { file: "k1.cu", parent: null, idea: "the first", expect: "1.1x" },
        { file: "k2.cu", parent: "k1.cu", idea: "more shared memory" },
        { file: "k3.cu", parent: "k2.cu" },
      ],
    );
    const files = (...names: string[]): string[] => names.map((name) => join(folder, `${name}.cu`));
    const ideas = ["--ideas", join(folder, "ideas.jsonl"), "--wait", "--timeout", "60"];
    const before = await waitingSearchOf(taskFolder, scratch.next(), ...flags);
    const first = parseAnswer(await submitTo(before.workspace, ...files("k1", "k2"), ...ideas));
    expect(first.candidates).toMatchObject([
      { name: files("k1")[0], status: "ok" },
      { name: files("k2")[0], status: "ok" },
    ]);
    before.child.kill("SIGINT");
    expect(await before.result).toMatchObject({ code: 130 });

    const copy = scratch.next();
    cpSync(before.workspace, copy, { recursive: true });
    const after = await waitingSearchOf(taskFolder, copy, ...flags);
    const second = parseAnswer(await submitTo(copy, ...files("k3", "k4"), ...ideas, "--done"));
    expect(second.candidates).toMatchObject([{ status: "ok" }, { status: "ok" }]);
    const end = await after.result;
    expect(JSON.parse(end.stdout)).toMatchObject({ considered: 4, measured: 5, stopped: "no-more-proposals" });

    const [k1, k2, k3, k4] = recordsOf(copy);
    const seedId = k1?.parentId;
    expect([k2, k3, k4].map((record) => record?.parentId)).toEqual([k1?.kernelId, k2?.kernelId, seedId]);
    expect([k1, k2, k3].map((record) => record?.idea)).toEqual(["the first", "more shared memory", undefined]);
    expect([k1, k2].map((record) => record?.launches[0]?.smemBytes)).toEqual([0, 64]);
    expect(eventsOf(copy).filter(({ type }) => type === "run-continue")).toHaveLength(1);
  });

  it("may be measured without a search, each with its own launches", async () => {
    const folder = folderOf(["k1", "k2"], ["k2"], []);
    const paths = ["k1", "k2"].map((name) => join(folder, `${name}.cu`));
    const { code, stdout } = await runCli(["measure", taskFolder, ...paths, "--json"]);
    expect(code).toBe(0);
    const { kernels } = JSON.parse(stdout) as { kernels: { kernel_id: string; status: string }[] };
    expect(kernels.map(({ status }) => status)).toEqual(["ok", "ok"]);
    writeFileSync(join(folder, "k2.yaml"), ownLaunches.replace("kernel: scale", "kernel: absent"));
    const wrong = await runCli(["measure", taskFolder, paths[1] ?? "", "--json"]);
    expect(wrong.code).toBe(1);
    expect(`${wrong.stdout}${wrong.stderr}`).toContain("absent");
  });
});

describe("what can be wrong with files and ideas", () => {
  let waiting: Waiting;
  beforeAll(async () => {
    waiting = await waitingSearchOf("softmax-f32", scratch.next());
  });
  afterAll(async () => {
    waiting.child.kill("SIGTERM");
    await waiting.result;
  });
  const softmax = readFileSync("tasks/softmax-f32/seed.cu", "utf8");
  const folder = (files: Readonly<Record<string, string>>): string => {
    const path = scratch.next();
    mkdirSync(path);
    for (const [name, text] of Object.entries({ "a.cu": softmax, "b.cu": `// b\n${softmax}`, ...files }))
      writeFileSync(join(path, name), text);
    return path;
  };

  it("keep the others out, unless they may go in without", async () => {
    const path = folder({ "c.cu": "int main() { return 0; }" });
    const files = ["a.cu", "c.cu"].map((name) => join(path, name));
    const none = await submitTo(waiting.workspace, ...files);
    expect(none).toMatchObject({ code: 1, stdout: "" });
    const some = await submitTo(waiting.workspace, ...files, "--partial");
    expect(some.code).toBe(1);
    expect(some.stderr).toMatch(/c\.cu was refused: .*a main function/);
    expect(JSON.parse(some.stdout)).toMatchObject({
      candidates: [{ submission: 1, name: files[0] }],
      refused: [{ name: files[1], error: expect.stringMatching(/only device code/) as string }],
    });
  });

  it.each<[string, Readonly<Record<string, string>>, readonly string[], number, RegExp]>([
    [
      "a parent that was not handed in",
      { "ideas.jsonl": `{"file":"a.cu","parent":"b.cu"}` },
      [],
      2,
      /a\.cu: its parent .*b\.cu: run mine has no such kernel; hand it in before, or in the same command/,
    ],
    ["a parent that is not there", { "ideas.jsonl": `{"file":"a.cu","parent":"z.cu"}` }, [], 1, /z\.cu: no such file/],
    ["a parent that is no id", { "ideas.jsonl": `{"file":"a.cu","parent":"feed"}` }, [], 2, /run mine has no such/],
    ["its own parent", { "ideas.jsonl": `{"file":"a.cu","parent":"a.cu"}` }, [], 2, /it is its own parent/],
    ["no JSON", { "ideas.jsonl": `{"file":"a.cu"}\n{"file"` }, [], 1, /ideas\.jsonl:2: not JSON/],
    ["no file named", { "ideas.jsonl": `{"idea":"x"}` }, [], 1, /required column "file" is missing/],
    ["ideas said twice", { "ideas.jsonl": "" }, ["--idea", "x"], 2, /--ideas tells the idea and the parent/],
    ["launches that are none", { "ideas.jsonl": "", "a.yaml": "- { kernel: k }" }, [], 1, /a\.yaml: /],
  ])("%s", async (_what, files, more, code, message) => {
    const path = folder(files);
    const result = await submitTo(waiting.workspace, join(path, "a.cu"), "--ideas", join(path, "ideas.jsonl"), ...more);
    expect(faultLines(result)).toEqual([expect.stringMatching(message)]);
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
  });
});
