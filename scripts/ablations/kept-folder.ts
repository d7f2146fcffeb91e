import { appendFile, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "../../src/domain/index.ts";
import type { JudgedAnswers } from "../../src/evaluate/judge-forecaster.ts";
import { packAnswers, unpackAnswers } from "../../src/evaluate/kept-answers.ts";
import type { Setting } from "./settings.ts";

/** What ends a line: one without it was not finished when a run was stopped. */
const endMark = "end";

/** Answers on disk, a file of lines per task, so that a run that was stopped goes on and several may write at once. */
export class KeptFolder {
  readonly folder: string;
  readonly #lines = new Map<string, string>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Opens what was kept under a folder for the forecasting code, models and recording as they are now. */
  static async open(folder: string, recording: string): Promise<KeptFolder> {
    const kept = new KeptFolder(join(folder, await stateDigest(recording)));
    await mkdir(kept.folder, { recursive: true });
    for (const name of (await readdir(kept.folder)).filter((one) => one.endsWith(".jsonl"))) {
      for (const line of (await readFile(join(kept.folder, name), "utf8")).split("\n")) {
        const [key = "", answers = "", end] = line.split("\t");
        if (end === endMark) kept.#lines.set(key, answers);
      }
    }
    return kept;
  }

  has(key: string): boolean {
    return this.#lines.has(key);
  }

  /** Undefined also for a task that cannot be judged in a setting. */
  get(key: string): JudgedAnswers | undefined {
    const line = this.#lines.get(key);
    return line === undefined || line === "" ? undefined : unpackAnswers(line);
  }

  async put(key: string, taskId: string, answers: JudgedAnswers | undefined): Promise<void> {
    const line = answers ? packAnswers(answers) : "";
    this.#lines.set(key, line);
    // The newline before closes what a stopped run left open.
    await appendFile(join(this.folder, `${taskId}.jsonl`), `\n${key}\t${line}\t${endMark}\n`);
  }
}

/** What one forecaster answers of one task in one setting goes by. */
export async function answerKey(label: string, taskId: string, setting: Setting, seed: number): Promise<string> {
  const file = label.slice(label.indexOf(":") + 1);
  const isFile = label.includes(":") && file.endsWith(".json");
  const model = isFile ? sha256Hex(await readFile(file, "utf8")).slice(0, 12) : "";
  const { device, measuredBy, view, evidence, sources } = setting;
  return JSON.stringify([label, model, taskId, device, measuredBy, view, evidence, sources, seed]);
}

/** Folders whose text decides what is answered. */
const decisive = [
  "models",
  "src/check",
  "src/domain",
  "src/evaluate",
  "src/forecast",
  "src/formats",
  "src/measure",
  "src/train",
];

async function stateDigest(recording: string): Promise<string> {
  const texts = await Promise.all(decisive.map((folder) => digestFolder(folder)));
  return sha256Hex([...texts, await digestFolder(recording, true)].join(" ")).slice(0, 12);
}

/** A digest of the files of a folder: their text, or their sizes alone. */
async function digestFolder(folder: string, sizesOnly = false): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => !/\.test\.|__fixtures__/.test(name));
  const parts = await Promise.all(
    names.sort().map(async (name) => {
      const path = join(folder, name);
      const { size } = await stat(path);
      const text = sizesOnly || !/\.(ts|json)$/.test(name) ? String(size) : await readFile(path, "utf8");
      return `${name} ${text}`;
    }),
  );
  return sha256Hex(parts.join("\n"));
}
