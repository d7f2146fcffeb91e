import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { canonicalJson, sha256Hex } from "../../src/domain/index.ts";
import { runCli, scratchFolder } from "../e2e/run-cli.ts";

const scratch = scratchFolder("frontier");
afterAll(() => scratch.remove());

interface Published {
  readonly folder: string;
  readonly forecaster: string;
  readonly perTask: number;
  /** What the prompts of today say otherwise than those that were answered. */
  readonly reworded?: { readonly now: string; readonly before: string };
}

const bins = (values: readonly number[]): string =>
  `"bins": {${values.map((value, bin) => `"${"ABCDEFGHIJKLM"[bin]}": ${value}`).join(", ")}}`;

const published: readonly Published[] = [
  { folder: "atlas/forecasts/claude", forecaster: "anthropic:claude", perTask: 50 },
  {
    folder: "atlas/forecasts/claude-bins",
    forecaster: "anthropic:claude?form=bins",
    perTask: 11,
    // The example of an answer has sensible numbers since, because small models copy it.
    reworded: { now: bins([0, 0, 0, 0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0, 0, 0]), before: bins(Array(13).fill(0)) },
  },
];

interface Answer {
  readonly prompt_sha256: string;
  readonly answer: string;
}

interface Row {
  readonly kernel_id: string;
  readonly prompt_sha256: string;
}

interface BatchLine {
  readonly custom_id: string;
  readonly body: { readonly messages: readonly { readonly role: string; readonly content: string }[] };
}

function rows<T>(path: string): T[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as T);
}

/** The id that a prompt had when it was answered. */
function idThen({ body: { messages } }: BatchLine, { reworded }: Published): string {
  const [system = "", prompt = ""] = messages.map(({ content }) => content);
  const before = reworded ? system.replace(reworded.now, reworded.before) : system;
  return sha256Hex(canonicalJson([before, prompt, null]));
}

it.each(published)(
  "forecasts in $folder are what the answers there say to the prompts that this version writes",
  async (one) => {
    const { folder, forecaster, perTask } = one;
    const answers = new Map(
      rows<Answer>(`${folder}/answers.jsonl`).map(({ prompt_sha256: id, answer }) => [id, answer] as const),
    );
    const asked = `forecast --forecaster ${forecaster} --recording atlas --split test --per-task ${perTask} --seed 1`;
    const command = [...asked.split(" "), "--tasks", "softmax-f32"];
    const batch = join(scratch.path, `prompts-${perTask}.jsonl`);
    const written = await runCli([...command, "--batch-format", "openai", "--batch-out", batch, "--json"]);
    expect(written).toMatchObject({ code: 0 });
    const folderOfAnswers = join(scratch.path, `prompts-${perTask}`);
    const plain = [...command, "--batch-format", "plain"];
    expect(await runCli([...plain, "--batch-out", folderOfAnswers, "--json"])).toMatchObject({ code: 0 });
    const ids = new Map(rows<BatchLine>(batch).map((line) => [idThen(line, one), line.custom_id] as const));
    for (const [then, now] of ids) {
      writeFileSync(join(folderOfAnswers, `${now}.answer.json`), answers.get(then) ?? "");
    }
    const own = rows<Row>(`${folder}/forecasts.jsonl`).filter(({ prompt_sha256: id }) => ids.has(id));
    expect(own).toHaveLength(perTask);
    const saved = join(scratch.path, `forecasts-${perTask}.jsonl`);
    const read = await runCli([...plain, "--batch-in", folderOfAnswers, "--save", saved, "--json"]);
    expect(read).toMatchObject({ code: 0 });
    const inOrder = (list: readonly Row[]): Row[] => list.toSorted((a, b) => (a.kernel_id < b.kernel_id ? -1 : 1));
    const then = new Map([...ids].map(([before, now]) => [now, before]));
    const readNow = rows<Row>(saved).map((row) => ({ ...row, prompt_sha256: then.get(row.prompt_sha256) }) as Row);
    const withoutTokens = (list: readonly Row[]): object[] => inOrder(list).map((row) => ({ ...row, tokens: 0 }));
    expect(withoutTokens(readNow)).toEqual(withoutTokens(own));
  },
  60_000,
);
