import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runCommand, type CommandResult } from "../testing/run-command.ts";

const usable = spawnSync("python3", ["-c", "import numpy"]).status === 0;
if (!usable) console.warn("skipped: measure, init and doctor with the real worker (no python3 with numpy here)");

const root = mkdtempSync(join(tmpdir(), "kernelcast-measure-"));
const task = join(root, "twice");
const kernel = (...marks: string[]): string =>
  [
    'extern "C" __global__ void twice(const float* x, float* out, int n) {}',
    ...marks.map((mark) => `// fake: ${mark}`),
    "",
  ].join("\n");

const env = { ...process.env, KERNELCAST_WORKER_ARGS: "--fake ok --jobs 2" };

function run(...words: string[]): Promise<CommandResult> {
  return runCommand(words, { cwd: root, env });
}

beforeAll(() => {
  mkdirSync(task);
  writeFileSync(join(task, "seed.cu"), kernel("runtime_us=100"));
  writeFileSync(join(task, "reference.py"), 'def reference(inputs, sizes):\n    return {"out": 2 * inputs["x"]}\n');
  writeFileSync(
    join(task, "task.yaml"),
    `task_id: twice
title: Twice
family: elementwise
description: Doubles.
sizes: { n: 1024 }
args:
  - { name: x, dtype: f32, shape: [n], role: in, draw: { normal: { mean: 0, std: 1 } } }
  - { name: out, dtype: f32, shape: [n], role: out }
flops: n
bytes_min: 8*n
precisions: [f32]
tolerance: { type: allclose, rtol: 1.0e-4, atol: 1.0e-5 }
reference: reference.py
seed:
  source: seed.cu
  launches:
    - { kernel: twice, grid: ["ceil_div(n, 256)", 1, 1], block: [256, 1, 1], args: [x, out, { i32: n }] }
`,
  );
  writeFileSync(join(root, "fast.cu"), kernel("runtime_us=50"));
  writeFileSync(join(root, "slow.cu"), kernel("runtime_us=900"));
  writeFileSync(join(root, "wrong.cu"), kernel("wrong_output"));
});

describe.skipIf(!usable)("kernelcast measure", () => {
  it("compares kernels with the seed, and keeps receipts", async () => {
    const { code, stdout, stderr } = await run(
      "measure",
      task,
      "fast.cu",
      "slow.cu",
      "--receipts",
      "receipts",
      "--json",
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const document = JSON.parse(stdout) as { kernels: { receipt_sha256: string }[] };
    expect(document).toMatchObject({
      task: "twice",
      device: "local",
      kernels: [
        { file: "fast.cu", status: "ok", confirmed: true },
        { file: "slow.cu", status: "ok", confirmed: false },
      ],
    });
    const [fast] = document.kernels as unknown as { speedup: number; interval: [number, number] }[];
    expect(fast?.speedup).toBeCloseTo(2, 1);
    expect(fast && fast.interval[0] <= fast.speedup && fast.speedup <= fast.interval[1]).toBe(true);
    const kept = readdirSync(join(root, "receipts"));
    expect(kept).toContain(`${document.kernels[0]?.receipt_sha256}.json`);
    expect(JSON.parse(readFileSync(join(root, "receipts", kept[0] ?? ""), "utf8"))).toHaveProperty("task_key");
  });

  it("prints a table; a kernel that fails makes exit code 1", async () => {
    const { code, stdout } = await run("measure", task, "fast.cu", "wrong.cu");
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^kernel +status +µs +speed\nseed +ok +\d+\.\d\d +1\.000x\nfast\.cu +ok +\d+\.\d\d +\d\.\d{3}x +confirmed \d/,
    );
    expect(stdout).toMatch(/wrong\.cu +incorrect +wrong_output: /);
  });

  it("takes launches from a file", async () => {
    writeFileSync(
      join(root, "launches.yaml"),
      "- { kernel: twice, grid: [2, 1, 1], block: [512, 1, 1], args: [x, out, { i32: 1024 }] }\n",
    );
    expect((await run("measure", task, "fast.cu", "--launches", "launches.yaml")).code).toBe(0);
    writeFileSync(join(root, "launches.yaml"), "- { kernel: twice, grid: [2, 1, 1], blocks: 3 }\n");
    const { code, stderr } = await run("measure", task, "fast.cu", "--launches", "launches.yaml");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^kernelcast: launches\.yaml: [^\n]+\n$/);
  });

  it.each([
    [["no-such-task", "fast.cu"], /no task "no-such-task"/],
    [[task, "no.cu"], /cannot read the kernel no\.cu: no such file/],
    [[task, "fast.cu", "--python", "/no/python"], /could not be started: \/no\/python .*no such program/],
  ])("%j: one line, exit code 1", async (words, message) => {
    const { code, stdout, stderr } = await run("measure", ...words);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^kernelcast: [^\n]+\n$/);
  });
});

describe.skipIf(!usable)("init --device", () => {
  const flags = ["--size", "n=1024", "--grid", "4", "--block", "256"];

  it("compiles and measures the seed", async () => {
    writeFileSync(join(root, "double.cu"), kernel("runtime_us=70"));
    const words = ["init", "double.cu", ...flags, "--reference", join(task, "reference.py"), "--device", "local"];
    expect(await run(...words)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/the seed is correct and takes \d+\.\d µs/) as string,
    });
  });

  it.each(["void __global__ twice(", "__launch_bounds__(256) __global__ void twice(", "inline __global__ void twice("])(
    "declared as %s",
    async (start) => {
      writeFileSync(join(root, "styled.cu"), `${start}const float* x, float* out, int n) {}\n`);
      const words = ["init", "styled.cu", "--force", ...flags, "--reference", join(task, "reference.py")];
      expect((await run(...words, "--device", "local")).code).toBe(0);
      expect((await run("measure", join(root, "tasks", "styled"), "styled.cu")).stderr).toBe("");
    },
  );

  it("says that the seed does not compile", async () => {
    writeFileSync(join(root, "broken.cu"), kernel("compile_error"));
    const words = [
      "init",
      "broken.cu",
      ...flags,
      "--reference",
      join(task, "reference.py"),
      "--device",
      "local",
      "--json",
    ];
    const { code, stdout } = await run(...words);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, seed: { ok: false, compiled: false } });
  });
});

describe.skipIf(!usable)("kernelcast doctor", () => {
  it("passes a device that works", async () => {
    const { code, stdout } = await run("doctor", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ device: "local", ok: true });
  });

  it("says what is missing and how to mend it", async () => {
    const result = await runCommand(["doctor"], { cwd: root, env: { ...env, KERNELCAST_PYTHON: "/no/python" } });
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(
      /FAIL +worker +the worker could not be started: \/no\/python[^\n]*\n +→ install Python/,
    );
    expect(result.stdout).toMatch(/local cannot be used yet\n$/);
  });
});
