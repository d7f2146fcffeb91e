import type { Readable } from "node:stream";

/** One line of a stream of JSON Lines. */
export type JsonLine =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "not_json"; readonly text: string }
  | { readonly kind: "too_long"; readonly bytes: number };

/** Longest line that is kept, in bytes; receipts with all their samples are below 1 MiB. */
const defaultLineLimit: number = 32 * 1024 * 1024;

const newline = 0x0a;
/** How much of a line that is not JSON is shown to people. */
const shownCharacters = 200;

/**
 * Splits bytes into lines and parses each as JSON. A line over `limit` bytes is reported once, at its end, and never held in
 * memory; empty lines are skipped; an unfinished last line counts as a line when the stream ends.
 */
export class JsonLineSplitter {
  private readonly emit: (line: JsonLine) => void;
  private readonly limit: number;
  private chunks: Buffer[] = [];
  private length = 0;

  constructor(emit: (line: JsonLine) => void, limit: number = defaultLineLimit) {
    this.emit = emit;
    this.limit = limit;
  }

  push(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      this.append(bytes.subarray(start, end));
      this.finishLine();
      start = end + 1;
    }
    this.append(bytes.subarray(start));
  }

  end(): void {
    this.finishLine();
  }

  private append(bytes: Buffer): void {
    this.length += bytes.length;
    if (this.length > this.limit) this.chunks = [];
    else if (bytes.length > 0) this.chunks.push(bytes);
  }

  private finishLine(): void {
    const { length, chunks } = this;
    this.chunks = [];
    this.length = 0;
    if (length > this.limit) this.emit({ kind: "too_long", bytes: length });
    else if (length > 0) this.emitText(Buffer.concat(chunks).toString("utf8"));
  }

  private emitText(text: string): void {
    if (text.trim() === "") return;
    this.emit(parseLine(text));
  }
}

function parseLine(text: string): JsonLine {
  try {
    const value: unknown = JSON.parse(text);
    return { kind: "value", value };
  } catch {
    return { kind: "not_json", text: text.trim().slice(0, shownCharacters) };
  }
}

/** Feeds a stream through a splitter until it ends. */
export function readJsonLines(stream: Readable, emit: (line: JsonLine) => void, limit?: number): void {
  const splitter = new JsonLineSplitter(emit, limit);
  stream.on("data", (bytes: Buffer) => splitter.push(bytes));
  stream.on("end", () => splitter.end());
}
