import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { smallKernel, smallTask } from "../testing/fake-workers/scripted.ts";
import { readKernels } from "./read-kernels.ts";

const root = mkdtempSync(join(tmpdir(), "kernelcast-kernels-"));
afterAll(() => rmSync(root, { recursive: true }));

const task = smallTask;
const seedId = task.seedKernel.kernelId;
const launches = [{ kernel: "twice", grid: [8, 1, 1], block: [128, 1, 1], args: ["x", "out", 1024] }];

function table(rows: readonly object[]): string {
  const path = join(root, "kernels.jsonl");
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

let folders = 0;
function folder(files: Readonly<Record<string, string>>): string {
  const path = join(root, `folder-${folders++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

describe("readKernels of a table", () => {
  it("computes ids, follows parents by the table's own, and puts the seed first", async () => {
    const path = table([
      { kernel_id: "mine-1", source: "// one", launches, idea: "first", origin: "me", template_id: "t" },
      { kernel_id: "mine-2", source: "// two", launches, parent_id: "mine-1" },
      { kernel_id: "mine-3", source: "// three", parent_id: null },
      { source: "// four", compile_options: ["-DX=1"], parent_id: "elsewhere" },
    ]);
    const [seed, one, two, three, four, ...rest] = await readKernels(path, { task, known: new Set(["elsewhere"]) });
    expect(rest).toEqual([]);
    expect(seed).toEqual({ kernel: task.seedKernel, taskId: task.taskId, parentId: null, origin: "seed" });
    expect(one).toMatchObject({ parentId: seedId, idea: "first", origin: "me", templateId: "t" });
    expect(one?.kernel.kernelId).toMatch(/^[0-9a-f]{16}$/);
    expect(one?.kernel.launches[0]).toMatchObject({ grid: [8, 1, 1], block: [128, 1, 1] });
    expect(two?.parentId).toBe(one?.kernel.kernelId);
    expect(three).toMatchObject({ parentId: null, origin: "submitted" });
    expect(three?.kernel.launches).toEqual(task.seedKernel.launches);
    expect(four).toMatchObject({ parentId: "elsewhere", kernel: { compileOptions: ["-DX=1"] } });
  });

  it("leaves out other tasks' kernels and repeats, and knows the seed again", async () => {
    const path = table([
      { task_id: "another", source: "// other", launches },
      { task_id: task.taskId, source: "// one", launches },
      { source: "// one", launches },
      { source: task.seedKernel.source },
    ]);
    const read = await readKernels(path, { task });
    expect(read.map(({ kernel }) => kernel.source)).toEqual([task.seedKernel.source, "// one"]);
    await expect(readKernels(table([{ task_id: "another", source: "x" }]), { task })).rejects.toThrow(
      /kernels\.jsonl: no kernel of the task twice-f32 is in it/,
    );
  });

  it.each([
    [{ source: "" }, /kernels\.jsonl:1: source: /],
    [{ source: "//", launches: [{ kernel: "k", grid: [0, 1, 1], block: [1, 1, 1] }] }, /:1: .*must be at least 1/],
    [{ source: "//", launches: [{ kernel: "k" }] }, /:1: launches\.0\.grid: must be three numbers/],
    [{ kernel_id: "a", source: "//", parent_id: "nobody" }, /:1: its parent "nobody" is not among the kernels/],
    [{ text: "//" }, /required column "source" is missing/],
  ])("says where %j is wrong", async (row, message) => {
    await expect(readKernels(table([row]), { task })).rejects.toThrow(message);
  });
});

describe("readKernels of a folder", () => {
  const { source } = smallKernel("mine");

  it("takes launches and options that are given, a kernel's own launches before them", async () => {
    const path = folder({
      "a.cu": source,
      "b.cu": `${source}// b\n`,
      "b.launches.yaml": "- { kernel: twice, grid: [4, 1, 1], block: [256, 1, 1], args: [x, out, { i32: n }] }\n",
      "notes.txt": "not a kernel",
    });
    const given = smallKernel("x").launches.map((launch) => ({ ...launch, grid: [2, 1, 1] as const }));
    const [, a, b, ...rest] = await readKernels(path, { task, launches: given, compileOptions: ["-DY=2"] });
    expect(rest).toEqual([]);
    expect(a?.kernel).toMatchObject({ source, compileOptions: ["-DY=2"], launches: [{ grid: [2, 1, 1] }] });
    expect(b?.kernel.launches).toMatchObject([{ grid: [4, 1, 1] }]);
  });

  it("follows parents.jsonl, and says what is wrong in it", async () => {
    const files = { "a.cu": `${source}// a`, "b.cu": `${source}// b`, "c.cu": `${source}// c` };
    const path = folder({
      ...files,
      "parents.jsonl":
        '{"file": "a.cu", "parent": "c.cu"}\n{"file": "b.cu", "parent": null}\n{"file": "c.cu", "parent": "seed"}\n',
    });
    const [, a, b, c] = await readKernels(path, { task });
    expect([a?.parentId, b?.parentId, c?.parentId]).toEqual([c?.kernel.kernelId, null, seedId]);
    const faulty = (line: string): Promise<unknown> =>
      readKernels(folder({ ...files, "parents.jsonl": `${line}\n` }), { task });
    await expect(faulty('{"file": "d.cu"}')).rejects.toThrow(/parents\.jsonl:1: there is no file "d\.cu"/);
    await expect(faulty('{"file": "a.cu", "parent": "z"}')).rejects.toThrow(/a\.cu: its parent "z" is not among/);
    await expect(faulty('{"file": "a.cu", "parent": "a.cu"}')).rejects.toThrow(/a\.cu: it is its own parent/);
    await expect(faulty("nonsense")).rejects.toThrow(/parents\.jsonl:1: not JSON/);
  });

  it("names the file whose launches are wrong", async () => {
    const path = folder({ "a.cu": source, "a.launches.yaml": "- { kernel: twice }\n" });
    await expect(readKernels(path, { task })).rejects.toThrow(/a\.launches\.yaml: 0\.grid: /);
  });
});
