import { z } from "zod";
import { KernelcastError, type Launch } from "../domain/index.ts";
import { describeIssue, parseYaml, toLaunch } from "./load-task.ts";
import { readText } from "./read-text.ts";
import { launchSchema } from "./task-schema.ts";

/** Reads a YAML list of launches as `task.yaml` spells them; a relative path starts from the folder `from`. */
export async function readLaunches(path: string, from = "."): Promise<readonly Launch[]> {
  const launches = parseYaml(await readText(path, { what: "launches", from }), path);
  const parsed = z.array(launchSchema).min(1).safeParse(launches);
  if (!parsed.success) throw new KernelcastError("task", `${path}: ${describeIssue(parsed.error.issues[0])}`);
  return parsed.data.map(toLaunch);
}
