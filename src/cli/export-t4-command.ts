import { writeFile } from "node:fs/promises";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { runResults } from "../formats/kernel-tuner/write-results.ts";
import { openWorkspace } from "../serve/workspace.ts";
import { printJson, printLine, type CliContext } from "./context.ts";

export interface ExportT4Flags {
  readonly out: string;
  readonly workspace: string;
  readonly json: boolean;
}

/** `kernelcast export t4`. */
export async function exportT4(this: CliContext, { out, workspace, json }: ExportT4Flags, run: string): Promise<void> {
  const { store } = openWorkspace(workspace);
  try {
    const document = runResults(store, run);
    await write(out, `${JSON.stringify(document, null, 1)}\n`);
    const count = document.results.length;
    if (json) printJson(this, { out, run, results: count });
    else printLine(this, `${out}: ${count} results`);
  } finally {
    store.close();
  }
}

async function write(path: string, content: string): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw new KernelcastError("usage", `--out ${path}: cannot be written: ${fileFault(cause)}`, { cause });
  }
}
