import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { noAnswers } from "../formats/init-task-plan.ts";
import { loadTask } from "../formats/load-task.ts";
import { runCommand } from "../testing/run-command.ts";
import { complete } from "./init-command.ts";

const source = "__global__ void axpy(const float* x, float* y, float a, int n) { y[0] = a * x[n - 1]; }\n";
const reference = 'def reference(inputs, sizes):\n    return {"y": 2.5 * inputs["x"]}\n';
const flags = ["--size", "n=1024", "--scalar", "a=2.5", "--grid", "ceil_div(n, 128)", "--block", "128"];

function folder(): string {
  const cwd = mkdtempSync(join(tmpdir(), "kernelcast-init-"));
  writeFileSync(join(cwd, "axpy.cu"), source);
  writeFileSync(join(cwd, "ref.py"), reference);
  return cwd;
}

describe("kernelcast init", () => {
  it("writes a task from flags", async () => {
    const cwd = folder();
    const result = await runCommand(["init", "axpy.cu", ...flags, "--reference", "ref.py", "--json"], { cwd });
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ task_id: "axpy", complete: true, todo: [], seed: null });
    const task = await loadTask(join(cwd, "tasks", "axpy"));
    expect(task.seedKernel.source).toBe(`extern "C" ${source}`);
  });

  it("says what is missing, with the flags, and writes nothing", async () => {
    const cwd = folder();
    const result = await runCommand(["init", "axpy.cu", "--size", "n=8"], { cwd });
    expect(result.code).toBe(2);
    expect(result.stdout).toBe("");
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
    expect(result.stderr).toMatch(/--scalar a=1\.0.*--grid.*--block 256/);
    await expect(loadTask(join(cwd, "tasks", "axpy"))).rejects.toThrow("no such file");
  });

  it("leaves a task without a reference incomplete: exit code 1, and no command takes it", async () => {
    const cwd = folder();
    const result = await runCommand(["init", "axpy.cu", ...flags], { cwd });
    expect(result.code).toBe(1);
    expect(result.stdout).toContain("to do: write reference()");
    await expect(loadTask(join(cwd, "tasks", "axpy"))).rejects.toThrow(/reference\.py is still the template/);
  });

  it("never replaces a task unasked", async () => {
    const cwd = folder();
    const words = ["init", "axpy.cu", ...flags, "--reference", "ref.py", "--out", "mine"];
    expect((await runCommand(words, { cwd })).code).toBe(0);
    expect(await runCommand(words, { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--force") as string,
    });
    writeFileSync(join(cwd, "mine", "task.yaml"), "broken");
    expect((await runCommand([...words, "--force"], { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, "mine", "task.yaml"), "utf8")).toContain("task_id: mine");
  });

  it.each([
    [["init", "nothing.cu"], 1, /cannot read the kernel nothing\.cu: no such file/],
    [["init", "axpy.cu", ...flags, "--reference", "no.py"], 1, /cannot read the reference no\.py/],
    [["init", "axpy.cu", "--size", "n"], 2, /--size n: write --size NAME=VALUE/],
    [["init", "axpy.cu", ...flags, "--id", "a", "--out", "b"], 2, /the folder must be named like the task/],
    [["init", "axpy.cu", ...flags, "--grid", "1"], 2, /--grid is given 2 times for one launch/],
    [["init", "axpy.cu", ...flags, "--dtype", "z=f32"], 2, /--dtype z=…: no pointer of that name/],
    [["init", "axpy.cu", ...flags, "--id", "My_Task"], 2, /--id: "My_Task" must be lower-case words/],
    [["init", "axpy.cu", ...flags, "--family", "A b"], 2, /--family: "A b" must be lower-case words/],
    [["init", "axpy.cu", "--size", "n=0"], 2, /--size n=0: not a positive whole number/],
    [["init"], 2, /file\.cu/],
  ])("%j gives one line and exit code %i", async (words, code, message) => {
    const result = await runCommand(words, { cwd: folder() });
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trim().split("\n")).toHaveLength(1);
  });
});

describe("asking a person", () => {
  it("goes on until nothing is open, and confirms what is written", async () => {
    const asked: string[] = [];
    const answers = new Map([
      ["value of a", "2.5"],
      ["size n", "4096"],
      ["y is written", "inout"],
    ]);
    const { plan } = await complete(source, "axpy.cu", noAnswers, (question) => {
      asked.push(question.message);
      const known = [...answers].find(([start]) => question.message.startsWith(start));
      return Promise.resolve(known?.[1] ?? question.suggestion ?? "");
    });
    expect(asked).toEqual([
      'value of a (declared "float a")',
      'size n (declared "int n")',
      "grid",
      "block",
      "y is written; it is",
    ]);
    expect(plan).toMatchObject({ sizes: { n: 4096 }, args: [{ role: "in" }, { role: "inout" }] });
    expect(plan.launches[0]).toMatchObject({ grid: ["ceil_div(n, 256)", "1", "1"], block: ["256", "1", "1"] });
  });

  it("asks again after a wrong answer, and keeps the others", async () => {
    const sizes = ["many", "4096"];
    const told: string[] = [];
    const { plan } = await complete(
      source,
      "axpy.cu",
      noAnswers,
      ({ message, suggestion }) =>
        Promise.resolve(message.startsWith("size n") ? (sizes.shift() ?? "") : (suggestion ?? "2.5")),
      (line) => told.push(line),
    );
    expect(told).toEqual(["--size n=many: not a positive whole number"]);
    expect(plan).toMatchObject({ sizes: { n: 4096 } });
  });

  it("a file named by digits, or by a word of YAML, makes a task that loads", async () => {
    for (const id of ["2024", "null", "true"]) {
      const cwd = folder();
      const made = await runCommand(["init", "axpy.cu", ...flags, "--id", id, "--json"], { cwd });
      expect(JSON.parse(made.stdout)).toMatchObject({ task_id: id });
    }
  });
});
