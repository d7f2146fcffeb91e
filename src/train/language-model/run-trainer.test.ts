import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCommand } from "../../testing/run-command.ts";
import { createTeller, sparkline } from "./describe-event.ts";
import { loadTrainingConfig } from "./load-config.ts";

const folder = await mkdtemp(join(tmpdir(), "kernelcast-train-"));
afterAll(() => rm(folder, { recursive: true }));

async function config(text: string): Promise<string> {
  const file = join(folder, "run.yaml");
  await writeFile(file, text);
  return file;
}

const known = "data: lists\nout: ../runs/a\nmodel: { base: m.gguf, adapters: [sft] }\nsteps: 2\n";

/** A launcher that answers in the trainer's place: it keeps what it was given, tells of a run and ends with a code. */
async function launcher(code: number, words?: string): Promise<string> {
  const file = join(folder, "launcher.mjs");
  const script = `
import { readFileSync, writeFileSync } from "node:fs";
const config = readFileSync(0, "utf8");
writeFileSync(${JSON.stringify(join(folder, "given.json"))}, JSON.stringify({ words: process.argv.slice(2), config: JSON.parse(config) }));
console.log("a library says something");
for (const event of [
  { event: "start", seconds: 0, kind: "rl", steps: 2, resumed_from: 1, parameters: 10, trained: 2, device: "Toy GPU" },
  { event: "step", seconds: 1, step: 2, step_seconds: 0.5, reward: 0.25, kl: 0.01, unread: 0, rollouts: 16 },
  { event: "unheard-of", seconds: 1 },
  { event: "done", seconds: 2, steps: 2 },
]) console.log(JSON.stringify(event));
if (${code} > 0) console.error(${JSON.stringify(words)} ?? "Traceback\\nkernelcast_train: the data are not there");
if (${code} === 9) process.kill(process.pid, "SIGKILL");
process.exit(${code});
`;
  await writeFile(file, script);
  return `${process.execPath} ${file}`;
}

describe("a configuration", () => {
  it("has its paths from its own folder, or left as they are where another machine's", async () => {
    const file = await config(known);
    expect(await loadTrainingConfig(file, "/", false)).toMatchObject({
      data: join(folder, "lists"),
      out: join(folder, "../runs/a"),
      model: { base: join(folder, "m.gguf"), adapters: [join(folder, "sft")] },
    });
    expect(await loadTrainingConfig(file, "/", true)).toMatchObject({ data: "lists", model: { base: "m.gguf" } });
  });

  it.each([
    ["stepps: 2", /run\.yaml: there is no setting stepps; did you mean steps\?$/],
    ["rl: { gruop: 4 }", /run\.yaml: there is no setting rl\.gruop; did you mean group\?$/],
    ["colour: red", /run\.yaml: there is no setting colour$/],
    ["rl: { group: 1 }", /rl\.group/],
    ["rl: { reward: speed }", /rl\.reward/],
    ["name: a/b", /name/],
    ["rl: {", /run\.yaml/],
  ])("with %s is refused in one line", async (line, why) => {
    await expect(loadTrainingConfig(await config(`${known}${line}\n`), "/", false)).rejects.toThrow(why);
  });

  it.each(["sft", "proper-crps", "rl-crps"])("of the examples is right: %s", async (name) => {
    const file = new URL(`../../../examples/train/${name}.yaml`, import.meta.url);
    await expect(loadTrainingConfig(file.pathname, "/", false)).resolves.toMatchObject({ name });
  });
});

describe("kernelcast train", () => {
  it("gives the trainer the configuration and tells of the run", async () => {
    const words = ["train", "rl", "--config", await config(known), "--launcher", await launcher(0)];
    const { code, stdout, stderr } = await runCommand(words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n")).toEqual([
      "a library says something",
      "rl on Toy GPU: 2 steps, 2 of 10 parameters, going on from step 1",
      expect.stringContaining("step 2/2 ▁ reward 0.250, kl 0.010, unread 0.000, 32.0 answers/s, 0.5 s"),
      "done steps 2",
      "",
    ]);
    const given = JSON.parse(await readFile(join(folder, "given.json"), "utf8")) as Record<string, unknown>;
    expect(given["words"]).toEqual(["python3", "-m", "kernelcast_train.lm", "rl"]);
    expect(given["config"]).toMatchObject({ data: "lists", steps: 2 });
  });

  it("prints one document for programs", async () => {
    const words = ["train", "eval", "--config", await config(known), "--launcher", await launcher(0), "--json"];
    const { stdout } = await runCommand(words);
    expect(JSON.parse(stdout)).toMatchObject({ command: "eval", events: [{ event: "start" }, {}, { event: "done" }] });
  });

  it("fails with the trainer's last words", async () => {
    const words = ["train", "sft", "--config", await config(known), "--launcher", await launcher(1)];
    const { code, stderr } = await runCommand(words);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "kernelcast: kernelcast_train: the data are not there\n" });
  });

  it.each([
    [
      "its own words before a library's",
      1,
      "kernelcast_train: lower rows_per_pass\nlibrary: bye",
      /: lower rows_per_pass$/,
    ],
    ["a library's without its own", 1, "Traceback\nKeyError: 'system'", /KeyError: 'system'$/],
    [
      "the signal",
      9,
      "library: a warning",
      /ended by SIGKILL, as systems do when memory runs out; the same command goes on/,
    ],
    ["the signal that another machine tells of", 137, "library: a warning", /exited with code 137, as systems do/],
    ["an interruption elsewhere", 130, "library: a warning", /exited with code 130; the same command goes on/],
  ])("tells of a fault by %s", async (_what, ends, said, line) => {
    const words = ["train", "sft", "--config", await config(known), "--launcher", await launcher(ends, said)];
    const { code, stderr } = await runCommand(words);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^kernelcast: [^\n]+\n$/);
    expect(stderr.trimEnd()).toMatch(line);
  });

  it("says of a Python that is not there that it is not", async () => {
    const words = ["train", "sft", "--config", await config(known), "--python", join(folder, "no-python")];
    const { code, stderr } = await runCommand(words);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "kernelcast: the trainer could not be started: no such program\n",
    });
  });
});

describe("what is told of a run", () => {
  it("has the curve of the latest values", () => {
    expect(sparkline([1, 2, 3])).toBe("▁▅█");
    expect(sparkline([5, 5])).toBe("▁▁");
    expect(sparkline(Array.from({ length: 100 }, (_, index) => index))).toHaveLength(24);
  });

  it("tells of a GPU that is missing", () => {
    const about = { steps: 2, resumed_from: 0, parameters: 10, trained: 2, device: "CPU" };
    expect(createTeller()({ event: "start", seconds: 0, kind: "sft", ...about })).toMatch(/PyTorch finds no GPU/);
  });

  it("tells of prompts that were left out", () => {
    const event = { event: "data", seconds: 0, split: "train", examples: 9, too_long: 3 } as const;
    expect(createTeller()(event)).toBe("train: 9 prompts, 3 left out as too long");
  });
});
