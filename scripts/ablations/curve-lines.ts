import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";

const line = z.object({
  forecaster: z.string(),
  /** What was trained on. */
  tasks: z.number(),
  families: z.number(),
  kernels: z.number(),
  /** How many tasks were asked for; whole families may hold fewer. */
  wanted: z.number().optional(),
  /** Share of each task's kernels that was trained on. */
  share: z.number().optional(),
  seed: z.number(),
  split: z.string(),
  view: z.string(),
  scores: z.record(z.string(), z.number().nullable()),
});

/** Scores of a model that was trained on a part of the training split. */
export type CurveLine = z.infer<typeof line>;

/** The lines of files of JSON lines; a file that is not there has none. */
export async function readCurveLines(paths: readonly string[]): Promise<CurveLine[]> {
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8").catch(() => "")));
  return texts.flatMap((text) =>
    text
      .split("\n")
      .filter((one) => one.trim() !== "")
      .map((one) => line.parse(JSON.parse(one))),
  );
}

export async function writeCurveLines(path: string, lines: readonly CurveLine[]): Promise<void> {
  await writeFile(path, lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
}
