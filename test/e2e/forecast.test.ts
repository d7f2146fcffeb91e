import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedKernel } from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";
import { quoteWord } from "../../src/process/shell-words.ts";
import { copyTask, faultLines, hasWorkerPython, runCli, scratchFolder, startCli, type CliResult } from "./run-cli.ts";

const scratch = scratchFolder("forecast");
afterAll(() => scratch.remove());

const task = "softmax-f32";
const example = "command:python3 examples/forecaster.py";
const kernels = join(scratch.path, "kernels");
let first = "";
let last = "";

interface ForecastDocument {
  readonly device: string;
  readonly forecaster: string;
  readonly against: { readonly kernel: string; readonly measured: boolean; readonly runtime_us: number };
  readonly anchors: readonly { readonly kernel_id: string; readonly runtime_us: number }[];
  readonly compiler: string | null;
  readonly candidates: readonly {
    readonly kernel: string;
    readonly kernel_id: string;
    readonly p_ok: number;
    readonly runtime_us: { readonly p10: number; readonly p50: number; readonly p90: number };
    readonly speedup: { readonly p50: number };
    readonly p_win: number;
    readonly evidence: readonly { readonly what: string }[];
  }[];
  readonly compile_errors: readonly { readonly kernel: string; readonly error: string }[];
  readonly not_forecast: readonly unknown[];
  readonly cost: { readonly cpu_seconds: number };
}

function writeKernel(folder: string, { kernel }: RecordedKernel): void {
  const launches = kernel.launches.map(({ smemBytes, ...launch }) => ({ ...launch, smem_bytes: smemBytes }));
  writeFileSync(join(folder, `${kernel.kernelId}.cu`), kernel.source);
  writeFileSync(join(folder, `${kernel.kernelId}.launches.yaml`), JSON.stringify(launches));
}

beforeAll(async () => {
  mkdirSync(kernels);
  const recording = await loadRecording("atlas", { tasks: [task] });
  const measured = recording.measurements(task, recording.devices[0] ?? "");
  const ok = recording.kernels(task).filter(({ kernel }) => measured.get(kernel.kernelId)?.status === "ok");
  const chosen = ok.filter((_, index) => index % 40 === 3);
  for (const kernel of chosen) writeKernel(kernels, kernel);
  first = `${chosen[0]?.kernel.kernelId}.cu`;
  last = `${chosen.at(-1)?.kernel.kernelId}.cu`;
});

async function forecast(...args: readonly string[]): Promise<ForecastDocument> {
  const result = await runCli(["forecast", ...args, "--json"]);
  expect({ code: result.code, faults: faultLines(result) }).toEqual({ code: 0, faults: [] });
  return JSON.parse(result.stdout) as ForecastDocument;
}

describe("kernelcast forecast", () => {
  it("ranks a folder with the task's recorded kernels as anchors, none of them a candidate", async () => {
    const document = await forecast(task, kernels);
    expect(document).toMatchObject({
      forecaster: "static",
      against: { kernel: "seed", measured: true },
      compiler: null,
    });
    expect(document.candidates.length).toBeGreaterThan(4);
    expect(document.anchors).toHaveLength(8);
    expect(document.anchors.map((one) => one.runtime_us)).toEqual(
      document.anchors.map((one) => one.runtime_us).toSorted((a, b) => a - b),
    );
    const ids = document.candidates.map((one) => one.kernel_id);
    expect(document.anchors.filter((one) => ids.includes(one.kernel_id))).toEqual([]);
    for (const {
      p_ok: pOk,
      p_win: pWin,
      runtime_us: us,
      speedup,
      kernel,
      kernel_id: id,
      evidence,
    } of document.candidates) {
      expect(kernel).toBe(`${id}.cu`);
      expect(pOk >= 0 && pOk <= 1 && pWin >= 0 && pWin <= pOk).toBe(true);
      expect(us.p10 < us.p50 && us.p50 < us.p90).toBe(true);
      expect(speedup.p50).toBeCloseTo(document.against.runtime_us / us.p50, 2);
      expect(evidence.length).toBeGreaterThan(0);
    }
  });

  it("prints a table with what moved the forecasts", async () => {
    const { stdout, stderr, code } = await runCli(["forecast", task, join(kernels, first), "--against", "best"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/ +kernel +p_ok +µs +\(10–90 %\) +speed +\(10–90 %\) +P\(2 % faster\)\n1 +\w+\.cu /);
    expect(stdout).toMatch(/\nwhat moved \w+\.cu:\n {2}.+ → /);
    expect(stdout).toMatch(/compile evidence: none .*\ncost: .*CPU-s; these are forecasts, not measurements\n$/);
  });

  it("compares one kernel with another that is measured, or not", async () => {
    const measured = await forecast(task, join(kernels, first), "--against", join(kernels, last));
    expect(measured.against).toMatchObject({ kernel: last, measured: true });
    const mine = join(scratch.path, "mine.cu");
    writeFileSync(mine, `${readFileSync(`tasks/${task}/seed.cu`, "utf8")}\n`);
    const { against, candidates } = await forecast(task, `tasks/${task}/seed.cu`, "--against", mine);
    expect(against).toMatchObject({ kernel: "mine.cu", measured: false });
    expect(candidates).toHaveLength(1);
    expect(candidates[0]?.p_win).toBeGreaterThan(0.1);
    expect(candidates[0]?.p_win).toBeLessThan(0.6);
  });

  it("asks a program, keeps what it said, and gives it again as a recorded forecaster", async () => {
    const file = join(scratch.path, "kept.parquet");
    const asked = await forecast(task, kernels, "--forecaster", example, "--save", file, "--device", "H200");
    expect(asked).toMatchObject({ forecaster: "nearest-anchor", device: "NVIDIA H200" });
    const again = await forecast(task, kernels, "--forecaster", `recorded:${file}#nearest-anchor`, "--device", "H200");
    expect(again.candidates.map((one) => [one.kernel, one.p_ok])).toEqual(
      asked.candidates.map((one) => [one.kernel, one.p_ok]),
    );
    const elsewhere = await runCli(["forecast", task, kernels, "--forecaster", `recorded:${file}`, "--json"]);
    expect(elsewhere.code).toBe(1);
    expect((JSON.parse(elsewhere.stdout) as ForecastDocument).not_forecast).toHaveLength(asked.candidates.length);
  });

  it("shows a program sanitised sources and nothing of their origin", async () => {
    const log = join(scratch.path, "log.jsonl");
    const program = join(scratch.path, "spy.py");
    writeFileSync(
      program,
      `import sys\nfor line in sys.stdin:\n    open(${JSON.stringify(log)}, "a").write(line)\n    print('{"id": "0", "protocol": 1}' if '"hello"' in line else '{"id": "1", "error": "seen enough"}', flush=True)\n`,
    );
    const kernel = join(scratch.path, "secret.cu");
    writeFileSync(kernel, `// SECRET: 2.5x faster\n${readFileSync(`tasks/${task}/seed.cu`, "utf8")}`);
    const spied = await runCli(["forecast", task, kernel, "--forecaster", `command:python3 ${quoteWord(program)}`]);
    expect(spied.code).toBe(1);
    expect(faultLines(spied)).toEqual([
      expect.stringMatching(/^kernelcast: the forecaster command:.* could not forecast: seen enough$/),
    ]);
    const text = readFileSync(log, "utf8");
    const request = JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
    expect(Object.keys(request).sort()).toEqual(["anchors", "candidates", "device", "id", "task"]);
    expect(text).not.toMatch(/SECRET|"idea"|"origin"|"template_id"|"parent_id"|"family"|"split"/);
    expect(text).toContain("__global__");
  });

  it("serves a search, which then ends by itself", async () => {
    const workspace = join(scratch.path, "workspace");
    const { code, stdout } = await runCli([
      "search",
      task,
      "--forecaster",
      example,
      "--measurements",
      "6",
      "--run",
      "asked",
      "--workspace",
      workspace,
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ measured: 6 });
    const of = await forecast(task, join(kernels, first), "--anchors", "run:asked", "--workspace", workspace);
    expect(of.anchors.length).toBeGreaterThan(2);
    const unknown = await runCli(["forecast", task, kernels, "--anchors", "run:askd", "--workspace", workspace]);
    expect(faultLines(unknown)).toEqual([
      expect.stringMatching(/no such run in .*it has: asked.*did you mean asked\?/),
    ]);
  });

  it.skipIf(!hasWorkerPython)("has a compiler read the candidates, and drops those that do not compile", async () => {
    const folder = scratch.next();
    mkdirSync(folder);
    const own = copyTask(folder);
    const seed = readFileSync(join(own, "seed.cu"), "utf8");
    const candidates = join(folder, "candidates");
    mkdirSync(candidates);
    writeFileSync(join(candidates, "good.cu"), `${seed}\n`);
    writeFileSync(join(candidates, "bad.cu"), `${seed}// fake: compile_error\n`);
    const document = await forecast(own, candidates, "--compile", "--anchor", "seed=0.1ms");
    expect(document.compiler).toBe("local");
    expect(document.candidates.map((one) => one.kernel)).toEqual(["good.cu"]);
    expect(document.compile_errors).toMatchObject([{ kernel: "bad.cu" }]);
    expect(document.anchors).toMatchObject([{ kernel: "seed", runtime_us: 100 }]);
    const live = await forecast(own, candidates, "--device", "local", "--anchor", "seed=100");
    expect(live.candidates).toHaveLength(2);
  });
});

describe("kernelcast forecast, given something wrong", () => {
  const seed = `tasks/${task}/seed.cu`;
  const one = async (...args: readonly string[]): Promise<CliResult> => {
    const result = await runCli(["forecast", ...args]);
    expect(faultLines(result)).toHaveLength(1);
    return result;
  };

  it.each<[string, number, readonly string[], RegExp]>([
    ["no such folder", 1, [task, "/no/kernels"], /no such file or folder; give a \.cu file/],
    ["an empty folder", 1, [task, "docs"], /docs: there is no \.cu file in it/],
    ["no such task", 1, ["softmax-f33", seed], /no task "softmax-f33".*did you mean softmax-f32\?/],
    [
      "no known time",
      1,
      ["examples/axpy-space", "examples/axpy.cu"],
      /give the seed's time with --anchor seed=TIMEus \(kernelcast measure/,
    ],
    ["a time without a number", 2, [task, seed, "--anchor", "seed=fast"], /write FILE\.cu=TIME or seed=TIME/],
    ["an unknown device", 2, [task, seed, "--device", "lokal"], /--device lokal: neither .* did you mean local\?/],
    ["an unknown forecaster", 2, [task, seed, "--forecaster", "comand:x"], /did you mean command\?/],
    ["a forecaster without a program", 2, [task, seed, "--forecaster", "command:"], /for example command:/],
    [
      "a program that is not there",
      1,
      [task, seed, "--forecaster", "command:/no/program"],
      /could not be started: no such program/,
    ],
    [
      "a program that takes too long",
      1,
      [task, seed, "--forecaster", "command:sleep 60", "--forecaster-timeout", "0.3"],
      /did not answer within 0\.3 s/,
    ],
    ["a file that cannot be saved in", 2, [task, seed, "--save", "x.csv"], /give a file that ends in/],
    ["anchors of an unknown kind", 2, [task, seed, "--anchors", "atlas"], /--anchors atlas: unknown kind/],
    [
      "a kernel to compare with that is not there",
      1,
      [task, seed, "--against", "none.cu"],
      /cannot read the kernel none\.cu/,
    ],
  ])("%s: one line", async (_, code, args, message) => {
    const result = await one(...args);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(existsSync("x.csv")).toBe(false);
  });

  it("ends at Ctrl-C with the program that it waits for", async () => {
    const started = join(scratch.path, "started");
    const seconds = `68.${process.pid}`;
    const program = `command:sh -c 'touch ${started}; exec sleep ${seconds}'`;
    const { child, result } = startCli(["forecast", task, seed, "--forecaster", program]);
    while (!existsSync(started)) await sleep(20);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await result;
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: "", stderr: "kernelcast: interrupted\n" });
    expect(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).not.toContain(`sleep ${seconds}`);
  });

  it("leaves no program behind when it is stopped", async () => {
    const seconds = `67.${process.pid}`;
    await one(
      task,
      seed,
      "--forecaster",
      `command:sh -c 'sleep ${seconds} & sleep ${seconds}'`,
      "--forecaster-timeout",
      "0.3",
    );
    expect(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).not.toContain(`sleep ${seconds}`);
  });
});

describe("kernelcast forecast in batches", () => {
  it("writes the prompts of a task's candidates, and ranks them by the answers", async () => {
    const prompts = join(scratch.path, "prompts.jsonl");
    const batch = ["--forecaster", "plain:reader?form=quantiles"];
    const out = await runCli(["forecast", task, kernels, ...batch, "--batch-out", prompts]);
    expect({ code: out.code, faults: faultLines(out) }).toEqual({ code: 0, faults: [] });
    expect(out.stderr).toContain("batch: 1 prompt, 0 answered");
    const { custom_id: id, prompt } = JSON.parse(readFileSync(prompts, "utf8")) as Record<
      "custom_id" | "prompt",
      string
    >;
    const labels = [...new Set(prompt.slice(prompt.lastIndexOf("\nForecast ")).match(/K\d+/g))];
    const forecasts = labels.map((kernel, index) => ({
      kernel,
      p_ok: 0.9,
      us_p10: 90 + index,
      us_p50: 100 + index,
      us_p90: 150,
    }));
    const answers = join(scratch.path, "answers.jsonl");
    writeFileSync(answers, JSON.stringify({ custom_id: id, answer: { forecasts } }));
    const document = await forecast(task, kernels, ...batch, "--batch-in", answers);
    expect(document.forecaster).toBe("plain:reader");
    expect(document.candidates).toHaveLength(labels.length);
    expect(document.candidates[0]?.runtime_us.p50).toBeCloseTo(100, 2);
  });

  it.each([
    [["--batch-out", "x.jsonl"], "a batch is for a language model"],
    [["--batch-format", "plain"], "--batch-format goes with --batch-out or --batch-in"],
    [["--per-task", "5"], "--per-task is for the kernels of a recording"],
    [["--recording", "atlas", "--save", "x.jsonl"], "--recording takes no candidates"],
  ])("refuses what makes no sense: %s", async (flags, why) => {
    const result = await runCli(["forecast", task, kernels, ...flags]);
    expect(result.code).toBe(2);
    expect(faultLines(result)).toHaveLength(1);
    expect(result.stderr).toContain(why);
  });

  it("says where forecasts of a recording must go", async () => {
    const result = await runCli(["forecast", "--recording", "atlas"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("--save FILE.jsonl");
    expect((await runCli(["forecast", task])).stderr).toContain("name a task and candidates, or --recording");
  });
});
