import type { AnswerFault, ReadAnswer } from "./form.ts";

type Entry = Readonly<Record<string, unknown>>;

/** Key of an entry that names its kernel. */
const labelKey = "kernel";

interface Found {
  readonly entries: readonly Entry[];
  readonly fault?: AnswerFault;
}

/**
 * The entries of an answer, each an object that names a kernel, wherever they stand: as asked, inside a code block or prose, one a
 * line, or before the place where the answer breaks off.
 */
function findEntries(text: string): Found {
  const answer = withoutThoughts(text);
  const whole = parse(answer) ?? parse(between(answer));
  if (whole !== undefined) return { entries: collect(whole) };
  const { entries, unfinished } = scan(answer);
  if (unfinished) return { entries, fault: { kind: "half-json", message: "the JSON breaks off before its end" } };
  if (entries.length > 0) return { entries };
  return { entries, fault: { kind: "not-json", message: "the answer is not the JSON object that was asked for" } };
}

/** Models that think aloud do so between these marks. */
function withoutThoughts(text: string): string {
  return text.replace(/<think(?:ing)?>[\s\S]*?<\/think(?:ing)?>/g, " ").trim();
}

function between(text: string): string {
  return text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function collect(value: unknown): Entry[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(collect);
  const entry = value as Entry;
  if (labelKey in entry) return [entry];
  const inner = Object.values(entry).flatMap(collect);
  // An answer for one kernel need not name it.
  return inner.length > 0 || Object.values(entry).some((part) => Array.isArray(part)) ? inner : [entry];
}

/** Complete objects that name a kernel, in text that is not JSON as a whole. */
function scan(text: string): { readonly entries: Entry[]; readonly unfinished: boolean } {
  const entries: Entry[] = [];
  const starts: number[] = [];
  let inString = false;
  for (const { 0: piece, index } of text.matchAll(/\\.|["{}]/gs)) {
    if (piece === '"' && starts.length > 0) inString = !inString;
    else if (inString) continue;
    else if (piece === "{") starts.push(index);
    else if (piece === "}") {
      const start = starts.pop();
      const value = start === undefined ? undefined : parse(text.slice(start, index + 1));
      if (value !== undefined && labelKey in (value as Entry)) entries.push(value as Entry);
    }
  }
  return { entries, unfinished: starts.length > 0 };
}

/** Reads one kernel's entry; a string says what is wrong with it, its kind before a colon. */
export type EntryReader<Reading> = (entry: Entry) => { readonly reading: Reading } | Omit<AnswerFault, "label">;

/** Reads the entries of an answer, and says what is wrong with it for the kernels that were asked for. */
export function readEntries<Reading>(
  text: string,
  labels: readonly string[],
  readOne: EntryReader<Reading>,
): ReadAnswer<Reading> {
  const { entries, fault } = findEntries(text);
  const faults: AnswerFault[] = fault ? [fault] : [];
  const readings = new Map<string, Reading>();
  const seen = new Set<string>();
  for (const entry of entries) {
    const label = labelOf(entry, labels);
    if (label === undefined) {
      faults.push({ kind: "unknown", message: `there is no kernel ${JSON.stringify(entry[labelKey])?.slice(0, 40)}` });
      continue;
    }
    const read = readOne(entry);
    if (seen.has(label)) {
      readings.delete(label);
      faults.push({ kind: "twice", label, message: `${label} was answered twice` });
    } else if ("reading" in read) readings.set(label, read.reading);
    else faults.push({ ...read, label, message: `${label}: ${read.message}` });
    seen.add(label);
  }
  for (const label of labels) {
    if (!seen.has(label)) faults.push({ kind: "missing", label, message: `${label} is missing` });
  }
  return { readings, faults };
}

function labelOf(entry: Entry, labels: readonly string[]): string | undefined {
  const named = entry[labelKey];
  if (named === undefined && labels.length === 1) return labels[0];
  const wanted = typeof named === "string" ? named.trim().toUpperCase() : undefined;
  return labels.find((label) => label === wanted);
}

/** A finite number, also of a text that is one. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** A probability that leaves a little doubt: no outcome is impossible. */
export function probabilityOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0 && number <= 1 ? Math.min(0.999, Math.max(0.001, number)) : undefined;
}

/** A time in µs that a kernel can take. */
export function microsecondsOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0.01 && number <= 1e9 ? number : undefined;
}
