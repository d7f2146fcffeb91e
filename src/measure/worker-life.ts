import { lastLine, printable } from "../process/last-words.ts";
import { readJsonLines, type JsonLine } from "../process/json-lines.ts";
import { describeExit, startChild, type Child, type ChildExit } from "../process/child.ts";
import { workerLineSchema, type WorkerRequest } from "./worker-messages.ts";

/** How to start a worker, wherever it runs. */
export interface WorkerCommand {
  readonly argv: readonly [string, ...string[]];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input before the first request. */
  readonly preamble?: string;
  /** For messages: `python3`, `ssh box`, … */
  readonly where: string;
}

/** The answer to one request of one life. `lost`: the worker ended first; `aborted`: nobody waits any more. */
export type LifeAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly code: string; readonly message: string }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "aborted" };

export interface LifeOptions {
  readonly onEvent?: (event: string, params: unknown) => void;
  /** A worker that has spoken is taken for hung when it says nothing for this long while a request waits. */
  readonly silenceMs?: number;
  readonly lineLimit?: number;
  readonly graceMs?: number;
}

/** How a life ended. `lasting`: starting it again is no use (the program does not exist, or it never spoke). */
export interface LifeEnd {
  readonly reason: string;
  readonly lasting: boolean;
}

/** One worker process from its start to its end. */
export interface WorkerLife {
  /** Sends a request and waits for its answer. Never rejects. */
  request(request: WorkerRequest, timeoutMs: number, signal?: AbortSignal): Promise<LifeAnswer>;
  readonly ended: Promise<LifeEnd>;
  readonly isOver: () => boolean;
  /** Asks the worker to shut down, and ends its process group if it does not within `patienceMs`. */
  close(patienceMs: number): Promise<void>;
}

/** Lines that a launcher or a login script may print before the worker speaks. */
const bannerLines = 200;

type Settle = (answer: LifeAnswer) => void;

/** Starts a worker process and speaks the protocol with it until it ends or breaks the protocol. */
export function startLife(command: WorkerCommand, options: LifeOptions = {}): WorkerLife {
  const child = startChild({
    argv: command.argv,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(command.env === undefined ? {} : { env: command.env }),
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
  });
  if (command.preamble !== undefined) child.write(command.preamble);
  return new Life(child, command.where, options);
}

class Life implements WorkerLife {
  readonly ended: Promise<LifeEnd>;
  private readonly child: Child;
  private readonly where: string;
  private readonly options: LifeOptions;
  private readonly pending = new Map<string, Settle>();
  private silence: NodeJS.Timeout | undefined;
  private spoken = false;
  private mute = false;
  private banner: string[] = [];
  private fault: string | undefined;
  /** What standard error said before the worker was ended for its fault. */
  private lastWords: string | undefined;
  private over = false;

  constructor(child: Child, where: string, options: LifeOptions) {
    this.child = child;
    this.where = where;
    this.options = options;
    readJsonLines(child.stdout, (line) => this.read(line), options.lineLimit);
    this.ended = child.exited.then((exit) => this.finish(exit));
  }

  readonly isOver = (): boolean => this.over || this.fault !== undefined;

  request(request: WorkerRequest, timeoutMs: number, signal?: AbortSignal): Promise<LifeAnswer> {
    if (signal?.aborted) return Promise.resolve({ kind: "aborted" });
    if (this.isOver()) return this.ended.then(({ reason }) => ({ kind: "lost", reason }));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.expire(request, timeoutMs), timeoutMs);
      const abort = (): void => {
        this.post({ id: `cancel-${request.id}`, method: "cancel", params: { id: request.id } });
        this.settle(request.id, { kind: "aborted" });
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.pending.set(request.id, (answer) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        resolve(answer);
      });
      this.listen();
      this.post(request);
    });
  }

  async close(patienceMs: number): Promise<void> {
    this.post({ id: "shutdown", method: "shutdown", params: {} });
    this.child.endInput();
    const timer = setTimeout(() => void this.child.terminate(), patienceMs);
    await this.ended;
    clearTimeout(timer);
  }

  private post(request: WorkerRequest): void {
    this.child.write(`${JSON.stringify(request)}\n`);
  }

  private read(line: JsonLine): void {
    if (this.isOver()) return;
    if (line.kind === "too_long") return this.break(`it sent a line of ${line.bytes} bytes`);
    if (line.kind === "not_json") return this.readNoise(line.text);
    const parsed = workerLineSchema.safeParse(line.value);
    if (!parsed.success) return this.readNoise(JSON.stringify(line.value).slice(0, 200));
    this.spoken = true;
    this.listen();
    this.accept(parsed.data);
  }

  private accept(message: ReturnType<typeof workerLineSchema.parse>): void {
    if ("event" in message) this.options.onEvent?.(message.event, message.params);
    else if ("error" in message) this.settle(message.id, { kind: "error", ...message.error });
    else this.settle(message.id, { kind: "result", result: message.result });
  }

  private readNoise(text: string): void {
    const shown = printable(text);
    this.banner.push(shown);
    if (this.spoken || this.banner.length > bannerLines) this.break(`it sent a line that is not an answer: ${shown}`);
  }

  /** An answer to a request that is not waiting (answered twice, cancelled) is dropped. */
  private settle(id: string, answer: LifeAnswer): void {
    const settle = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) clearTimeout(this.silence);
    settle?.(answer);
  }

  private listen(): void {
    clearTimeout(this.silence);
    const { silenceMs } = this.options;
    if (silenceMs === undefined || !this.spoken || this.pending.size === 0) return;
    this.silence = setTimeout(() => this.break(`it said nothing for ${seconds(silenceMs)}`), silenceMs);
  }

  private expire(request: WorkerRequest, timeoutMs: number): void {
    this.mute = !this.spoken;
    this.break(`no answer to ${request.method} within ${seconds(timeoutMs)}`);
  }

  /** Ends a worker that cannot be trusted any more; what waits is lost once its processes are gone. */
  private break(fault: string): void {
    if (this.fault === undefined) this.lastWords = lastLine(this.child.stderrTail());
    this.fault ??= fault;
    void this.child.terminate();
  }

  private finish(exit: ChildExit): LifeEnd {
    this.over = true;
    clearTimeout(this.silence);
    const end = { reason: this.reason(exit), lasting: exit.kind === "not_started" || this.mute };
    for (const id of this.pending.keys()) this.settle(id, { kind: "lost", reason: end.reason });
    return end;
  }

  private reason(exit: ChildExit): string {
    const words = this.fault === undefined ? lastLine(this.child.stderrTail()) : this.lastWords;
    const said = words ?? this.banner.at(-1);
    const how = this.fault === undefined ? describeExit(exit) : `was ended because ${this.fault}`;
    return `${this.where} ${how}${said !== undefined && exit.kind !== "not_started" ? ` (${said})` : ""}`;
  }
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
