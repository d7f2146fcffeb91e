import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileFault, KernelcastError, type ErrorCode } from "../domain/index.ts";

export interface ReadTextOptions {
  /** What the file is, for messages: "kernel". */
  readonly what: string;
  readonly code?: ErrorCode;
  /** Folder that a relative path starts from (default: the current one). */
  readonly from?: string;
  /** What to do when it cannot be read. */
  readonly advice?: string;
}

/** Reads a UTF-8 file without its byte order mark. Throws one line that names the file, the fault and what to do. */
export async function readText(path: string, options: ReadTextOptions): Promise<string> {
  const { what, code = "task", from = ".", advice } = options;
  let bytes: Uint8Array;
  try {
    bytes = await readFile(resolve(from, path));
  } catch (cause) {
    const missing = typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT";
    const why = missing ? "no such file" : fileFault(cause);
    throw new KernelcastError(code, `cannot read the ${what} ${path}: ${why}${advice ? `; ${advice}` : ""}`, { cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new KernelcastError(code, `the ${what} ${path} is not UTF-8 text${faultyLine(bytes)}; save it as UTF-8`, {
      cause,
    });
  }
}

/** The first line whose bytes are not UTF-8. */
function faultyLine(bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  const index = lines.findIndex((line) => line.includes("\uFFFD"));
  return index < 0 ? "" : ` (line ${index + 1})`;
}
