import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { fileFault, KernelcastError } from "../../domain/index.ts";
import { parseJson } from "../table-files.ts";
import { isCache, toCachedSpace } from "./cache.ts";
import { isResults, toResultsSpace } from "./results.ts";
import type { TunedSpace } from "./tuned-space.ts";

/**
 * Reads a cache file of Kernel Tuner, terminated or not, or results in the T4 format; `.gz` as well. Throws
 * `KernelcastError("recording", …)`: one line that names the file and the fault.
 */
export async function readTunedSpace(path: string): Promise<TunedSpace> {
  const { value, notes } = parseOpenJson(await readPacked(path), path);
  if (isCache(value)) return toCachedSpace(value, path, notes);
  if (isResults(value)) return toResultsSpace(value, path, notes);
  throw new KernelcastError(
    "recording",
    `${path}: neither a cache file of Kernel Tuner (it has no "cache") nor results in the T4 format (no "results")`,
  );
}

async function readPacked(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  } catch (cause) {
    const missing = typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT";
    const why = missing ? "no such file" : fileFault(cause);
    throw new KernelcastError("recording", `${path}: cannot be read: ${why}`, { cause });
  }
}

interface OpenJson {
  readonly value: unknown;
  readonly notes: readonly string[];
}

/** A cache is written an entry a line and closed at the very end: what a tuner that was stopped leaves is closed here. */
function parseOpenJson(content: string, path: string): OpenJson {
  const text = content.trim();
  try {
    return { value: parseJson(text), notes: [] };
  } catch (cause) {
    const open = closed(text) ?? withoutLastLine(text, path);
    if (open) return open;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("recording", `${path}: not JSON: ${message.split("\n")[0]}`, { cause });
  }
}

function closed(text: string): OpenJson | undefined {
  try {
    return { value: parseJson(`${text.replace(/,\s*$/, "")}}}`), notes: [] };
  } catch {
    return undefined;
  }
}

function withoutLastLine(text: string, path: string): OpenJson | undefined {
  const end = text.lastIndexOf("\n");
  const open = end < 0 ? undefined : closed(text.slice(0, end));
  return open && { ...open, notes: [`${basename(path)}: its last line breaks off and was left out`] };
}
