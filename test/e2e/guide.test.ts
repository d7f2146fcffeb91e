import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadTask } from "../../src/formats/load-task.ts";
import { writeRecording } from "../../src/formats/write-recording.ts";
import { syntheticRecording } from "../../src/testing/synthetic-recording.ts";
import { cli } from "./run-cli.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const guide = readFileSync(join(root, "docs/guide/first-search.md"), "utf8");
const commands = [...guide.matchAll(/^```sh\n([^`]*)```$/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
const folder = mkdtempSync(join(tmpdir(), "kernelcast-guide-"));
cpSync(join(root, "examples"), join(folder, "examples"), { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shell = promisify(execFile);

describe("the guide to a first search", () => {
  it("has commands", () => {
    expect(commands.length).toBeGreaterThan(5);
  });

  it.each(commands)("%s", async (command) => {
    const words = command.replace(/^npx kernelcast /, `"${process.execPath}" "${cli}" `);
    expect(words).not.toBe(command);
    await shell("sh", ["-c", words], { cwd: folder });
  });

  it("made a task and reports", () => {
    expect(existsSync(join(folder, "tasks/axpy/task.yaml"))).toBe(true);
    expect(existsSync(join(folder, ".kernelcast/kernelcast.sqlite"))).toBe(true);
  });

  it("shows the parameter space that the example has", async () => {
    const [, shown = ""] = /```yaml\n(tunables:[^`]*)```/.exec(guide) ?? [];
    expect(readFileSync(join(root, "examples/axpy-space/task.yaml"), "utf8")).toContain(shown);
    expect((await loadTask(join(root, "examples/axpy-space"))).tunables?.parameters["ITEMS"]).toEqual([1, 2, 4, 8]);
  });
});

describe("the guide to judging forecasters", () => {
  const page = readFileSync(join(root, "docs/guide/judging-forecasters.md"), "utf8");
  const judging = [...page.matchAll(/^```sh\n([^`]*)```$/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
  beforeAll(() => writeRecording(join(folder, "my-recording"), syntheticRecording(), { format: "jsonl" }));

  it("has commands", () => {
    expect(judging.length).toBeGreaterThan(4);
  });

  it.each(judging)("%s", async (command) => {
    const words = command.replace(/^npx kernelcast /, `"${process.execPath}" "${cli}" `);
    expect(words).not.toBe(command);
    await shell("sh", ["-c", words], { cwd: folder });
  });

  it("wrote pages", () => {
    expect(existsSync(join(folder, "scores/evaluate.html"))).toBe(true);
    expect(existsSync(join(folder, "my-scores/evaluate.json"))).toBe(true);
  });
});

describe("links in the documents", () => {
  const pages = [
    "README.md",
    "atlas/README.md",
    "docs/guide/first-search.md",
    "docs/guide/measuring.md",
    "docs/guide/judging-forecasters.md",
  ];

  it.each(pages)("%s points at files that are there", (page) => {
    const text = readFileSync(join(root, page), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = ""]) => target);
    const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
    expect(missing).toEqual([]);
  });
});
