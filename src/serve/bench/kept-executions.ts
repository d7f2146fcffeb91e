import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { canonicalJson, fileFault, KernelcastError, sha256Hex, type Kernel, type Task } from "../../domain/index.ts";
import type { ExecutionFacts } from "../../forecast/static/execution/execution-facts.ts";
import type { ExecutionMemory } from "../../forecast/static/facts-cache.ts";
import { makeFolder } from "../../store/make-folder.ts";
import { digestPath } from "./digest-path.ts";

/**
 * What running kernels showed, on disk: some tens of milliseconds each that later benches need not spend. A file for each task and
 * each state of the code that runs them. A line that was not finished is not read; a number need not be finite.
 */
export class KeptExecutions implements ExecutionMemory {
  readonly #folder: string;
  readonly #tasks = new Map<Task, { readonly path: string; readonly known: Map<string, ExecutionFacts> }>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Throws `KernelcastError("store", …)`. */
  static open(workspace: string): KeptExecutions {
    const folder = join(workspace, "bench", `executions-${codeDigest()}`);
    try {
      makeFolder(folder);
    } catch (cause) {
      throw new KernelcastError("store", `cannot keep what was read in ${folder}: ${fileFault(cause)}`, { cause });
    }
    return new KeptExecutions(folder);
  }

  get({ kernelId }: Kernel, task: Task): ExecutionFacts | undefined {
    return this.#open(task).known.get(kernelId);
  }

  put({ kernelId }: Kernel, task: Task, facts: ExecutionFacts): void {
    const { path, known } = this.#open(task);
    known.set(kernelId, facts);
    try {
      // The line break before it closes what a process that was killed left open.
      appendFileSync(path, `\n${kernelId} ${serialize(facts).toString("base64")} ;`);
    } catch (cause) {
      throw new KernelcastError("store", `cannot write ${path}: ${fileFault(cause)}`, { cause });
    }
  }

  #open(task: Task) {
    const opened = this.#tasks.get(task);
    if (opened) return opened;
    const path = join(this.#folder, `${sha256Hex(canonicalJson(task)).slice(0, 16)}.txt`);
    const made = { path, known: readLines(path) };
    this.#tasks.set(task, made);
    return made;
  }
}

function readLines(path: string): Map<string, ExecutionFacts> {
  const known = new Map<string, ExecutionFacts>();
  for (const line of readIfThere(path).split("\n")) {
    const [kernelId, facts, end] = line.split(" ");
    const read = end === ";" && facts ? decode(facts) : undefined;
    if (kernelId && read) known.set(kernelId, read);
  }
  return known;
}

function decode(text: string): ExecutionFacts | undefined {
  try {
    return deserialize(Buffer.from(text, "base64")) as ExecutionFacts;
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // What cannot be read is read from the kernels again.
    return "";
  }
}

function codeDigest(): string {
  const isCode = (name: string): boolean => !/\.test\.|\.d\.ts$|^__fixtures__$/.test(name);
  const parts = ["../../forecast/static", "../../domain"].map((folder) =>
    digestPath(fileURLToPath(new URL(folder, import.meta.url)), isCode),
  );
  return sha256Hex(parts.join(" ")).slice(0, 16);
}
