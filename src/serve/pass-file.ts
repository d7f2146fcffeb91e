import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { parseWorkerRun, type WorkerRun } from "../formats/worker-responses.ts";
import { makeFolder } from "../store/make-folder.ts";

/** One pass's answers of a worker, a line each in the worker protocol, kept as they come. */
export interface PassFile {
  readonly path: string;
  /** What the file holds; a last line that was cut off when a process was killed is gone from it. */
  read(): WorkerRun;
  /** Appends an answer to the request of an id. What it has returned from survives a killed process. */
  append(id: string, result: unknown): void;
}

/** Opens the file of a pass, which need not exist. Throws `KernelcastError("recording", …)`. */
export function openPassFile(path: string, pass: number): PassFile {
  guarded(path, () => {
    makeFolder(dirname(path));
    if (existsSync(path)) dropCutLine(path);
  });
  return {
    path,
    read: () =>
      parseWorkerRun(
        guarded(path, () => (existsSync(path) ? readFileSync(path, "utf8") : "")),
        pass,
        path,
      ),
    append: (id, result) => guarded(path, () => appendFileSync(path, `${JSON.stringify({ id, result })}\n`)),
  };
}

function dropCutLine(path: string): void {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) truncateSync(path, end);
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new KernelcastError("recording", `${path}: cannot be kept: ${fileFault(cause)}`, { cause });
  }
}
