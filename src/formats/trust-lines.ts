import { z } from "zod";
import { entryDigest, KernelcastError, trustLevels, type KeptEntry } from "../domain/index.ts";

const level = z.enum(trustLevels);
const environment = z.record(z.string(), z.string());

const labelSchema = z.object({
  seal: z.string(),
  kernelId: z.string(),
  taskId: z.string(),
  family: z.string(),
  at: z.number(),
  level,
  skip: z.boolean(),
  probability: z.number().gt(0).max(1),
  win: z.boolean(),
  ok: z.boolean(),
  pOk: z.number().min(0).max(1),
  pit: z.number().min(0).max(1).nullable(),
  order: z.object({ chance: z.number().min(0).max(1), faster: z.boolean() }).exactOptional(),
  counts: z.boolean(),
});

const lineSchema = z.object({
  key: z.object({ surrogate: z.string(), recipe: z.string(), device: z.string() }),
  entry: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("label"), label: labelSchema, runId: z.string() }),
    z.object({ kind: z.literal("set"), level, because: z.string(), who: z.string() }),
    z.object({ kind: z.literal("guard"), level, reason: z.string(), seal: z.string().exactOptional() }),
    z.object({ kind: z.literal("environment"), environment }),
  ]),
  at: z.number(),
  digest: z.string(),
});

/** A ledger's entries, one JSON document a line. Throws `KernelcastError("store", …)` for a line that is none. */
export function readLedgerLines(text: string, where: string): readonly KeptEntry[] {
  return text
    .split("\n")
    .map((line, place) => ({ line, number: place + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => readLine(line, `${where}:${number}`));
}

function readLine(line: string, where: string): KeptEntry {
  const parsed = lineSchema.safeParse(parseJson(line, where));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new KernelcastError("store", `${where}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { key, entry, at, digest } = parsed.data;
  if (entryDigest(key, entry, at) !== digest) {
    throw new KernelcastError("store", `${where}: the digest is not that of the entry`);
  }
  return parsed.data;
}

function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new KernelcastError("store", `${where}: no JSON`, { cause });
  }
}

/** The same, written. */
export function ledgerLines(entries: readonly KeptEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
}
