import { setTimeout as sleep } from "node:timers/promises";
import { KernelcastError } from "../domain/index.ts";
import { Turns } from "./turns.ts";
import { startLife, type LifeAnswer, type LifeOptions, type WorkerCommand, type WorkerLife } from "./worker-life.ts";
import { helloAnswerSchema, workerProtocol, type WorkerMethod, type WorkerRequest } from "./worker-messages.ts";

/** An answer that holds across restarts. `lost`: this request's worker died each time it was asked. */
export type WorkerAnswer = Exclude<LifeAnswer, { kind: "aborted" }>;

/** The worker's greeting with its checks. */
export type Greeting = ReturnType<typeof helloAnswerSchema.parse>;

export interface WorkerClientOptions extends LifeOptions {
  /** What a restarted worker must be told before anything else, for example the tasks. */
  readonly onStart?: (life: WorkerLife) => Promise<void>;
  /** One line for people: a death, a restart, a warning of the worker's. */
  readonly onNote?: (line: string) => void;
  readonly helloTimeoutMs?: number;
  /** Pause before the restart of a worker that has worked; doubles with each death in a row, up to 30 s. */
  readonly backOffMs?: number;
  /** How long a worker may take to shut down. */
  readonly closePatienceMs?: number;
}

export interface RequestLimits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A request is sent at most this often: once, and twice again after deaths. */
const maxSends = 3;
/** So many failed starts, or lost requests, in a row make the device unusable. */
const maxFailuresInARow = 3;
const longestBackOffMs = 30_000;
/** A worker that never started is tried again soon: somebody waits for the message. */
const firstBackOffMs = 250;

/**
 * A worker that is restarted when it dies. Requests that were under way at a death are repeated with the same id, one at
 * a time, so that the one which kills the worker is told from those that were merely beside it.
 */
export class WorkerClient {
  private readonly command: WorkerCommand;
  private readonly options: WorkerClientOptions;
  private readonly turns = new Turns();
  private readonly closing = new AbortController();
  private lastId = 0;
  private life: Promise<WorkerLife> | undefined;
  private deathsInARow = 0;
  private lostInARow = 0;
  private unusable: KernelcastError | undefined;
  private greeting: Greeting | undefined;

  constructor(command: WorkerCommand, options: WorkerClientOptions = {}) {
    this.command = command;
    this.options = options;
  }

  /** Starts the worker if need be. Throws `KernelcastError("device", …)` when it cannot be started. */
  async hello(): Promise<Greeting> {
    await this.ensureLife();
    if (!this.greeting) throw new KernelcastError("internal", "a worker started without a greeting");
    return this.greeting;
  }

  /**
   * Asks the worker, through restarts. Throws `KernelcastError("device", …)` when the worker cannot be kept alive or was
   * closed, and the signal's reason when aborted.
   */
  async request(method: WorkerMethod, params: unknown, limits: RequestLimits): Promise<WorkerAnswer> {
    const request = { id: String(++this.lastId), method, params };
    for (let sends = 1; ; sends++) {
      const answer = await this.turns.take(sends === 1 ? "together" : "alone", () => this.send(request, limits));
      if (answer.kind === "aborted") throw limits.signal?.reason ?? this.closedError();
      if (answer.kind !== "lost") {
        this.deathsInARow = 0;
        this.lostInARow = 0;
        return answer;
      }
      if (sends === maxSends) return this.giveUp(answer);
    }
  }

  /** Shuts the worker down; requests under way fail. Idempotent. */
  async close(): Promise<void> {
    this.closing.abort();
    const life = await this.life?.catch(() => undefined);
    await life?.close(this.options.closePatienceMs ?? 5000);
  }

  private async send(request: WorkerRequest, { timeoutMs, signal }: RequestLimits): Promise<LifeAnswer> {
    if (signal?.aborted) return { kind: "aborted" };
    const life = await this.ensureLife();
    return life.request(request, timeoutMs, signal);
  }

  private giveUp(answer: WorkerAnswer & { kind: "lost" }): WorkerAnswer {
    this.lostInARow++;
    if (this.lostInARow >= maxFailuresInARow) {
      this.unusable = new KernelcastError(
        "device",
        `the worker died on each of ${maxFailuresInARow} requests in a row: ${answer.reason}; try \`kernelcast doctor\``,
      );
      throw this.unusable;
    }
    return answer;
  }

  private async ensureLife(): Promise<WorkerLife> {
    if (this.unusable) throw this.unusable;
    if (this.closing.signal.aborted) throw this.closedError();
    const current = (this.life ??= this.start());
    const life = await current;
    if (!life.isOver()) return life;
    await life.ended;
    if (this.life === current) this.life = undefined;
    return this.ensureLife();
  }

  private closedError(): KernelcastError {
    return new KernelcastError("device", `${this.command.where}: the device was closed`);
  }

  private async start(): Promise<WorkerLife> {
    for (let failures = 0; ;) {
      await this.backOff();
      const life = startLife(this.command, this.lifeOptions());
      const fault = await this.greet(life);
      if (fault === undefined) return this.watch(life);
      failures++;
      if (fault.lasting || failures === maxFailuresInARow) throw this.failStart(fault.reason, failures);
    }
  }

  private async backOff(): Promise<void> {
    const { signal } = this.closing;
    if (this.deathsInARow > 0) {
      const wanted = this.options.backOffMs ?? firstBackOffMs;
      const first = this.greeting ? wanted : Math.min(wanted, firstBackOffMs);
      const pause = Math.min(first * 2 ** (this.deathsInARow - 1), longestBackOffMs);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
    if (signal.aborted) throw this.closedError();
  }

  private failStart(reason: string, failures: number): KernelcastError {
    const often = failures > 1 ? ` ${failures} times in a row` : "";
    this.unusable = new KernelcastError("device", `the worker could not be started${often}: ${reason}`);
    return this.unusable;
  }

  /** Greets a new worker; undefined when it is ready to work. */
  private async greet(life: WorkerLife): Promise<{ reason: string; lasting: boolean } | undefined> {
    const request: WorkerRequest = {
      id: `hello-${++this.lastId}`,
      method: "hello",
      params: { protocol: workerProtocol },
    };
    const waiting = setTimeout(
      () => this.options.onNote?.(`waiting for ${this.command.where} to start the worker`),
      10_000,
    );
    const answer = await life.request(request, this.options.helloTimeoutMs ?? 60_000, this.closing.signal);
    clearTimeout(waiting);
    if (answer.kind === "result") return this.acceptGreeting(life, answer.result);
    this.deathsInARow++;
    await life.close(0);
    if (answer.kind === "lost") return await life.ended;
    return { reason: answer.kind === "error" ? answer.message : "the device was closed", lasting: true };
  }

  private async acceptGreeting(life: WorkerLife, result: unknown): ReturnType<WorkerClient["greet"]> {
    const greeting = helloAnswerSchema.safeParse(result);
    if (!greeting.success || greeting.data.protocol !== workerProtocol) {
      const spoken = greeting.success ? `protocol ${greeting.data.protocol}` : "no known protocol";
      await life.close(0);
      return { reason: `${this.command.where} speaks ${spoken}, but ${workerProtocol} is needed`, lasting: true };
    }
    this.greeting = greeting.data;
    await this.options.onStart?.(life);
    if (!life.isOver()) return undefined;
    this.deathsInARow++;
    return life.ended;
  }

  private watch(life: WorkerLife): WorkerLife {
    void life.ended.then(({ reason }) => {
      if (this.closing.signal.aborted) return;
      this.deathsInARow++;
      this.options.onNote?.(`the worker ended: ${reason}`);
    });
    return life;
  }

  private lifeOptions(): LifeOptions {
    const { onNote } = this.options;
    return {
      ...this.options,
      onEvent: (event, params) => {
        this.options.onEvent?.(event, params);
        if (event === "log" && onNote) noteLog(params, onNote);
      },
    };
  }
}

/** Passes on what a worker warns of. */
function noteLog(params: unknown, onNote: (line: string) => void): void {
  if (typeof params !== "object" || params === null) return;
  const { level, message } = params as { level?: unknown; message?: unknown };
  if ((level === "warning" || level === "error") && typeof message === "string") onNote(`worker: ${message}`);
}
