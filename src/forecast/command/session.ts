import { KernelcastError } from "../../domain/index.ts";
import { describeExit, startChild, type Child, type ChildExit } from "../../process/child.ts";
import { readJsonLines, type JsonLine } from "../../process/json-lines.ts";
import { lastLine, printable } from "../../process/last-words.ts";

export interface SessionOptions {
  readonly argv: readonly [string, ...string[]];
  /** As the user wrote it, for messages. */
  readonly where: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly limitMs: number;
}

interface Pending {
  readonly id: string;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A program that was told to end is given this long. */
const graceMs = 500;

/** One process of a forecaster, from its start to its first fault. One request at a time. */
export class Session {
  private readonly child: Child;
  private readonly options: SessionOptions;
  private pending: Pending | undefined;
  private fault: KernelcastError | undefined;
  private asked = 0;

  constructor(options: SessionOptions) {
    this.options = options;
    this.child = startChild({ argv: options.argv, graceMs, ...(options.env ? { env: options.env } : {}) });
    // Whoever waits holds a timer; an idle forecaster must not keep the user's program alive.
    this.child.unref();
    readJsonLines(this.child.stdout, (line) => this.read(line));
    void this.child.exited.then((exit) => this.end(exit));
  }

  /** True once the process cannot be asked any more. */
  readonly isOver = (): boolean => this.fault !== undefined;

  /** Sends a message with an id of its own and gives the answer to it. Rejects with one line, and the process is ended. */
  async ask(message: object, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.fault) throw this.fault;
    const id = String(this.asked++);
    const { limitMs } = this.options;
    const expire = (): void => void this.break(`did not answer within ${limitMs / 1000} s`);
    const timer = setTimeout(expire, limitMs);
    const abort = (): void => void this.break("was interrupted", signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.pending = { id, resolve, reject };
        this.child.write(`${JSON.stringify({ id, ...message })}\n`);
      });
    } finally {
      this.pending = undefined;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends a process whose answer cannot be used, and gives the error to throw. */
  refuse(why: string): KernelcastError {
    return this.break(why);
  }

  /** The end of its input asks a program to end; one that does not is ended. */
  async close(): Promise<void> {
    this.fault ??= this.faultOf("was closed");
    this.child.endInput();
    const timer = setTimeout(() => void this.child.terminate(), graceMs);
    await this.child.exited;
    clearTimeout(timer);
  }

  private read(line: JsonLine): void {
    if (this.fault) return;
    if (line.kind === "too_long") return void this.break(`sent a line of ${line.bytes} bytes`);
    if (line.kind === "not_json") {
      return void this.break(
        `sent a line that is not JSON: ${printable(line.text)} (diagnostics go to standard error)`,
      );
    }
    const id = idOf(line.value);
    if (this.pending && id === this.pending.id) this.pending.resolve(line.value);
    else this.break(`sent an answer ${id === undefined ? "without an id" : `to "${id}", which does not wait for one`}`);
  }

  private break(why: string, reason?: unknown): KernelcastError {
    const fault = this.fault ?? this.faultOf(why);
    this.fault = fault;
    void this.child.terminate();
    this.pending?.reject(reason ?? fault);
    return fault;
  }

  private end(exit: ChildExit): void {
    this.fault ??= this.faultOf(`${describeExit(exit)}${exit.kind === "not_started" ? "" : " before it answered"}`);
    this.pending?.reject(this.fault);
  }

  private faultOf(why: string): KernelcastError {
    const said = lastLine(this.child.stderrTail());
    return new KernelcastError(
      "model",
      `the forecaster ${this.options.where} ${why}${said ? `; it said: ${said}` : ""}`,
    );
  }
}

function idOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("id" in value)) return undefined;
  return typeof value.id === "string" ? printable(value.id).slice(0, 40) : undefined;
}
