import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileFault, KernelcastError } from "../../domain/index.ts";
import type { EvaluationResult } from "../../evaluate/evaluation-document.ts";
import { renderEvaluation } from "./page.ts";

/** Writes evaluate.html, its charts and the document into a folder that is there; gives the page's path. Throws `KernelcastError("store", …)`. */
export function writeEvaluation(folder: string, result: EvaluationResult, document: unknown): string {
  const { page, files } = renderEvaluation(result);
  const path = join(folder, "evaluate.html");
  try {
    writeFileSync(path, page);
    writeFileSync(join(folder, "evaluate.json"), `${JSON.stringify(document, null, 2)}\n`);
    for (const [name, svg] of files) writeFileSync(join(folder, name), svg);
  } catch (cause) {
    throw new KernelcastError("store", `cannot write the evaluation into ${folder}: ${fileFault(cause)}`, { cause });
  }
  return path;
}
