import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runCli, scratchFolder } from "../e2e/run-cli.ts";

const scratch = scratchFolder("frontier");
afterAll(() => scratch.remove());

const published = [
  { folder: "atlas/forecasts/claude", forecaster: "anthropic:claude", perTask: 50 },
  { folder: "atlas/forecasts/claude-bins", forecaster: "anthropic:claude?form=bins", perTask: 11 },
];

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

it.each(published)(
  "forecasts in $folder are what the answers there say to the prompts that this version writes",
  async ({ folder, forecaster, perTask }) => {
    const answers = new Map(
      rows<Answer>(`${folder}/answers.jsonl`).map(({ prompt_sha256: id, answer }) => [id, answer] as const),
    );
    const forecasts = rows<Row>(`${folder}/forecasts.jsonl`);
    const prompts = join(scratch.path, `prompts-${perTask}`);
    const saved = join(scratch.path, `forecasts-${perTask}.jsonl`);
    const asked = `forecast --forecaster ${forecaster} --recording atlas --split test --per-task ${perTask} --seed 1 --batch-format plain`;
    const command = [...asked.split(" "), "--tasks", "softmax-f32"];
    const written = await runCli([...command, "--batch-out", prompts, "--json"]);
    expect(written).toMatchObject({ code: 0 });
    const own = forecasts.filter(({ prompt_sha256: id }) => {
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
    expect(own).toHaveLength(perTask);
    const read = await runCli([...command, "--batch-in", prompts, "--save", saved, "--json"]);
    expect(read).toMatchObject({ code: 0 });
    const byId = (list: readonly Row[]): Row[] => list.toSorted((a, b) => (a.kernel_id < b.kernel_id ? -1 : 1));
    expect(byId(rows<Row>(saved))).toEqual(byId(own));
  },
  60_000,
);
