import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runCli, scratchFolder } from "../e2e/run-cli.ts";

const scratch = scratchFolder("frontier");
afterAll(() => scratch.remove());

const folder = "atlas/forecasts/claude";

interface Answer {
  readonly prompt_sha256: string;
  readonly answer: string;
}

interface Row {
  readonly kernel_id: string;
  readonly prompt_sha256: string;
}

function rows<T>(path: string): T[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as T);
}

it("published forecasts are what the published answers say to the prompts that this version writes", async () => {
  const answers = new Map(
    rows<Answer>(`${folder}/answers.jsonl`).map(({ prompt_sha256: id, answer }) => [id, answer] as const),
  );
  const published = rows<Row>(`${folder}/forecasts.jsonl`);
  const [prompts, saved] = [join(scratch.path, "prompts"), join(scratch.path, "forecasts.jsonl")];
  const asked =
    "forecast --forecaster anthropic:claude --recording atlas --split test --per-task 50 --seed 1 --batch-format plain";
  const command = [...asked.split(" "), "--tasks", "softmax-f32"];
  const written = await runCli([...command, "--batch-out", prompts, "--json"]);
  expect(written).toMatchObject({ code: 0 });
  const own = published.filter(({ prompt_sha256: id }) => {
    const text = answers.get(id);
    expect(text).toBeDefined();
    try {
      readFileSync(join(prompts, `${id}.prompt.txt`));
    } catch {
      return false;
    }
    writeFileSync(join(prompts, `${id}.answer.json`), text ?? "");
    return true;
  });
  expect(own).toHaveLength(50);
  const read = await runCli([...command, "--batch-in", prompts, "--save", saved, "--json"]);
  expect(read).toMatchObject({ code: 0 });
  const byId = (list: readonly Row[]): Row[] => list.toSorted((a, b) => (a.kernel_id < b.kernel_id ? -1 : 1));
  expect(byId(rows<Row>(saved))).toEqual(byId(own));
}, 60_000);
