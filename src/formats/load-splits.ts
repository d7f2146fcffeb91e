import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { z } from "zod";
import { KernelcastError, type Split } from "../domain/index.ts";
import { describeIssue } from "./load-task.ts";

const families = z.array(z.string()).default([]);
const splitsSchema = z.strictObject({ train: families, validation: families, test: families });

/** Reads a file of splits by family. Throws when a family is in two splits. */
export async function loadSplits(path: string): Promise<ReadonlyMap<string, Split>> {
  const parsed = splitsSchema.safeParse(parseDocument(await readFile(path, "utf8")).toJS());
  if (!parsed.success) {
    throw new KernelcastError("recording", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  }
  const splits = new Map<string, Split>();
  for (const split of ["train", "validation", "test"] as const) {
    for (const family of parsed.data[split]) {
      const other = splits.get(family);
      if (other) throw new KernelcastError("recording", `${path}: family "${family}" is in ${other} and in ${split}`);
      splits.set(family, split);
    }
  }
  return splits;
}
