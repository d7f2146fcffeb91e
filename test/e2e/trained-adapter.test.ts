/**
 * What `kernelcast train` leaves, read by llama.cpp: the real program trains twice, exporting at the end, and the model asked through
 * node-llama-cpp answers as transformers says. Skipped where PyTorch or node-llama-cpp is absent; the real model, too, where that is.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { testLibraryLacks, testModelFile, testModelLacks } from "../../scripts/test-model/place.ts";
import type { TokenChoice } from "../../src/domain/index.ts";
import { createLanguageModels } from "../../src/language-model/index.ts";
import { runCli, scratchFolder } from "./run-cli.ts";

const python = fileURLToPath(new URL("../../python", import.meta.url));
const env = { ...process.env, PYTHONPATH: [python, process.env["PYTHONPATH"] ?? ""].join(":") };

function runPython(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync("python3", args, { env, input, encoding: "utf8" });
  if (status !== 0) throw new Error(`python3 ${args.join(" ")}: ${stderr.trim().split("\n").at(-1)}`);
  return stdout;
}

function trainerLacks(): string | undefined {
  const { status } = spawnSync("python3", ["-c", "import torch, transformers, peft, gguf"], { env });
  return status === 0
    ? undefined
    : "no PyTorch, transformers, peft and gguf: pip install -r python/requirements-train.txt";
}

const lacks = testLibraryLacks() ?? trainerLacks();
if (lacks !== undefined) process.stderr.write(`trained-adapter.test.ts is skipped: ${lacks}\n`);

const scratch = scratchFolder("trained-adapter");
afterAll(() => scratch.remove());
const script = join(python, "tests", "first_tokens.py");
const asked = ["fast 1", "slow 3", "fail 2"].map((prompt) => ({ system: "s", prompt }));

interface Trained {
  readonly base: string;
  readonly adapter: string;
  readonly whole: string;
  /** The likeliest first tokens of each answer, as transformers has them. */
  readonly reference: readonly (readonly TokenChoice[])[];
}

/** Two runs, the second on top of the first, and what is exported of both. */
async function train(base: string, rate: number): Promise<Trained> {
  const folder = scratch.next();
  mkdirSync(folder);
  // Weights as they are read from the file once, which takes longest.
  const keep = join(folder, "kept");
  const data = join(folder, "data");
  runPython([script, "data", data]);
  // A tiny model is slower by several threads, and much slower beside other work.
  const threads: NodeJS.ProcessEnv = base === testModelFile() ? {} : { OMP_NUM_THREADS: "1" };
  const run = async (name: string, adapters: readonly string[], rank: number) => {
    const lora = { rank, alpha: 2 * rank };
    const judge = { prompts: 1, max_new_tokens: 4 };
    const pace = { steps: 4, prompts_per_step: 4, warmup_steps: 1, learning_rate: rate, judge };
    const model = { base, keep, adapters, dtype: "float32", lora };
    const config = {
      name,
      data,
      out: join(folder, name),
      model,
      ...pace,
      export: { gguf: "q8_0", adapter_gguf: true },
    };
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, JSON.stringify(config));
    const { code, stderr } = await runCli(["train", "sft", "--config", file], threads);
    if (code !== 0) throw new Error(`train sft: ${stderr}`);
    return config.out;
  };
  const first = await run("first", [], 4);
  const second = await run("second", [first], 2);
  const request = { base, keep, adapters: [first, second], asked };
  const reference = JSON.parse(runPython([script], JSON.stringify(request))) as Trained["reference"];
  return { base, adapter: join(second, "second-adapter.gguf"), whole: join(second, "second-q8_0.gguf"), reference };
}

async function firstTokens(specification: string): Promise<readonly (readonly TokenChoice[])[]> {
  const model = await createLanguageModels().open(specification);
  const answers: (readonly TokenChoice[])[] = [];
  for (const one of asked) {
    const outcome = await model.generate({ purpose: "test", ...one, maxTokens: 1, logprobs: 20 });
    if (outcome.kind !== "text") throw new Error(outcome.message);
    answers.push(outcome.firstToken ?? []);
  }
  await model.close?.();
  return answers;
}

/** The most that log-probabilities of likely tokens differ by; what is not among the likeliest at all differs by much. */
function apart(answers: Trained["reference"], reference: Trained["reference"]): number {
  const differences = reference.flatMap((choices, prompt) => {
    const found = new Map((answers[prompt] ?? []).map(({ token, logprob }) => [token, logprob]));
    // Parts of characters are all alike as text.
    const legible = choices.filter(({ token, logprob }) => /^[\x20-\x7E]+$/.test(token) && logprob > Math.log(0.002));
    return legible.map(({ token, logprob }) => Math.abs((found.get(token) ?? -99) - logprob));
  });
  expect(differences.length).toBeGreaterThanOrEqual(asked.length);
  return Math.max(...differences);
}

interface Rounding {
  /** Of activations, where the base is the very file that was trained from. */
  readonly adapter: number;
  /** Of activations and of the weights of the merged model. */
  readonly whole: number;
}

async function expectAgreement(trained: Trained, rounding: Rounding): Promise<void> {
  const { base, adapter, whole, reference } = trained;
  expect(apart(await firstTokens(`gguf:${base}?adapter=${adapter}`), reference)).toBeLessThan(rounding.adapter);
  expect(apart(await firstTokens(`gguf:${whole}`), reference)).toBeLessThan(rounding.whole);
  expect(apart(await firstTokens(`gguf:${base}`), reference)).toBeGreaterThan(3 * rounding.whole);
}

describe.skipIf(lacks !== undefined)("a trained adapter", () => {
  it("makes llama.cpp answer as transformers does, over its base and merged", { timeout: 300_000 }, async () => {
    runPython([script, "toy", scratch.path]);
    await expectAgreement(await train(join(scratch.path, "toy.gguf"), 0.02), { adapter: 0.02, whole: 0.3 });
  });

  it.skipIf(testModelLacks() !== undefined)("of the real small model, too", { timeout: 1_200_000 }, async () => {
    await expectAgreement(await train(testModelFile(), 0.0003), { adapter: 0.4, whole: 0.6 });
  });
});
