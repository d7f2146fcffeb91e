import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileFault, KernelcastError, sha256Hex } from "../../domain/index.ts";
import type { SearchCell } from "../../evaluate/searches/search-cell.ts";
import { recordingFolder } from "../../formats/recording-folder.ts";
import { makeFolder } from "../../store/make-folder.ts";
import { packagePath } from "../package-paths.ts";
import { digestPath } from "./digest-path.ts";

/** What one search goes by, beside the code, the models and the recording. */
export interface CellId {
  readonly armKey: string;
  readonly taskId: string;
  readonly device: string;
  readonly seed: number;
  readonly measurements: number;
}

/**
 * Finished searches on disk, a line each, in a folder for the code, the models and the recording as they are: a bench that was
 * stopped goes on, and one with another arm runs that arm alone. A line that was not finished is not read.
 */
export class KeptCells {
  readonly folder: string;
  readonly #cells = new Map<string, SearchCell>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Opens what was kept in a workspace. Throws `KernelcastError("store", …)`. */
  static open(workspace: string, recording: string): KeptCells {
    const folder = join(workspace, "bench", `search-${stateDigest(recording)}`);
    const kept = new KeptCells(folder);
    try {
      makeFolder(folder);
      for (const name of readdirSync(folder)) if (name.endsWith(".jsonl")) kept.#read(join(folder, name));
    } catch (cause) {
      throw new KernelcastError("store", `cannot keep searches in ${folder}: ${fileFault(cause)}`, { cause });
    }
    return kept;
  }

  #read(path: string): void {
    for (const line of readFileSync(path, "utf8").split("\n")) {
      const entry = parseLine(line);
      if (entry) this.#cells.set(entry.key, entry.cell);
    }
  }

  get(id: CellId): SearchCell | undefined {
    return this.#cells.get(keyOf(id));
  }

  put(id: CellId, cell: SearchCell): void {
    const key = keyOf(id);
    this.#cells.set(key, cell);
    const path = join(this.folder, `${sha256Hex(id.taskId).slice(0, 16)}.jsonl`);
    try {
      // The line break before it closes what a bench that was killed left open.
      appendFileSync(path, `${existsSync(path) ? "\n" : ""}${JSON.stringify({ key, cell })}`);
    } catch (cause) {
      throw new KernelcastError("store", `cannot write ${path}: ${fileFault(cause)}`, { cause });
    }
  }
}

function keyOf({ armKey, taskId, device, seed, measurements }: CellId): string {
  return JSON.stringify([armKey, taskId, device, seed, measurements]);
}

function parseLine(line: string): { readonly key: string; readonly cell: SearchCell } | undefined {
  try {
    return JSON.parse(line) as { key: string; cell: SearchCell };
  } catch {
    return undefined;
  }
}

/** Of all that decides what a search does and finds: this package's code and models, and the recording. */
function stateDigest(recording: string): string {
  const code = fileURLToPath(new URL("../../", import.meta.url));
  const isCode = (name: string): boolean => !/\.test\.|\.d\.ts$|^__fixtures__$/.test(name);
  const parts = [digestPath(code, isCode), digestPath(packagePath("models")), digestPath(recordingFolder(recording))];
  return sha256Hex(parts.join(" ")).slice(0, 16);
}
