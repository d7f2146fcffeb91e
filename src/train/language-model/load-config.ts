import { dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { KernelcastError, suggestion } from "../../domain/index.ts";
import { describeIssue } from "../../formats/load-task.ts";
import { readText } from "../../formats/read-text.ts";
import { trainingConfigSchema, withPaths, type TrainingConfig } from "./config.ts";

/**
 * Reads a configuration; paths in it are relative to its folder, or are left as they are where another machine's. Throws
 * `KernelcastError("usage", …)` with one line.
 */
export async function loadTrainingConfig(file: string, from: string, isElsewhere: boolean): Promise<TrainingConfig> {
  const text = await readText(file, { what: "configuration", code: "usage", from });
  const document = parseDocument(text);
  const [fault] = document.errors;
  if (fault) throw new KernelcastError("usage", `${file}: ${fault.message.split("\n")[0] ?? "it is no YAML"}`);
  const parsed = trainingConfigSchema.safeParse(document.toJS());
  if (!parsed.success) throw new KernelcastError("usage", `${file}: ${describe(parsed.error.issues[0])}`);
  const config = parsed.data as unknown as TrainingConfig;
  const folder = dirname(resolve(from, file));
  return isElsewhere ? config : withPaths(config, (path) => resolve(folder, path));
}

/** What is wrong with a setting; of one that there is not, which may have been meant. */
function describe(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code !== "unrecognized_keys") return describeIssue(issue);
  const [key = ""] = issue.keys;
  const name = [...issue.path, key].map(String).join(".");
  return `there is no setting ${name}${suggestion(key, settingsAt(issue.path))}`;
}

function settingsAt(path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = trainingConfigSchema;
  for (const name of path) at = at instanceof z.ZodObject ? inner(at.shape[String(name)]) : undefined;
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function inner(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}
