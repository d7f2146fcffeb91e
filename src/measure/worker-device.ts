import {
  canonicalJson,
  KernelcastError,
  sha256Hex,
  type CompileOutcome,
  type Device,
  type DeviceInfo,
  type Kernel,
  type Measurement,
  type MeasureRequest,
  type Task,
} from "../domain/index.ts";
import { WorkerClient, type Greeting, type WorkerAnswer, type WorkerClientOptions } from "./worker-client.ts";
import type { WorkerCommand, WorkerLife } from "./worker-life.ts";
import {
  compileAnswerSchema,
  describeAnswerSchema,
  measureAnswerSchema,
  taskAnswerSchema,
  toCompileOutcome,
  toDeviceInfo,
  toMeasurement,
  toWorkerKernel,
  toWorkerTask,
  type WorkerMethod,
} from "./worker-messages.ts";

/** A receipt as it should be kept: canonical JSON and its SHA-256, which the measurement names. */
export interface Receipt {
  readonly requestId: string;
  readonly text: string;
  readonly sha256: string;
}

/** Everything that `describe` says: the device, its environment, and the results of the controls. */
export type Description = ReturnType<typeof describeAnswerSchema.parse>;

export interface WorkerDeviceOptions extends WorkerClientOptions {
  /** As the user named it. */
  readonly name: string;
  /** How many `measure` calls may overlap, so that the worker's compilers stay ahead of the device. */
  readonly lookAhead: number;
  /** Keeps a receipt; without it receipts are dropped and measurements name none. Called before `measure` resolves. */
  readonly onReceipt?: (receipt: Receipt) => void;
  /** Sees each answer to a measurement as the worker gave it, before `measure` resolves. */
  readonly onAnswer?: (requestId: string, result: unknown) => void;
  /** Limits of each measurement, see the protocol; the worker's own where absent. */
  readonly limits?: { readonly timeoutS?: number; readonly gpuS?: number };
  readonly timeouts?: Partial<Timeouts>;
  /** What `compile` builds for, as `sm_90a`; the worker's own choice where absent. */
  readonly arch?: string;
}

/** Longest waits for one answer, in milliseconds; queued work ahead of it included. */
export interface Timeouts {
  readonly describe: number;
  readonly task: number;
  readonly compile: number;
  readonly measure: number;
}

const defaultTimeouts: Timeouts = {
  describe: 600_000,
  task: 300_000,
  compile: 1_800_000,
  measure: 3_600_000,
};

const noCost = { gpuSeconds: 0, cpuSeconds: 0 };
/** A measurement is sent again when the worker has forgotten its task, but not for ever. */
const maxTaskSends = 3;
const rememberedAnswers = 1000;

/** A device behind a worker process. Besides the port it gives the worker's greeting and its full description. */
export class WorkerDevice implements Device {
  readonly name: string;
  readonly time = "real";
  readonly concurrency: number;
  private readonly options: WorkerDeviceOptions;
  private readonly timeouts: Timeouts;
  private readonly client: WorkerClient;
  /** The keys under which the worker knows tasks, by the canonical JSON of the `task` request. */
  private readonly taskKeys = new Map<string, Promise<string>>();
  /** The requests among them that were answered: what a restarted worker must be told. */
  private readonly registered = new Set<string>();
  private description: Promise<Description> | undefined;
  /** Answers by request id, the latest ones: a repeated request is not measured again. */
  private readonly answers = new Map<string, Promise<Measurement>>();

  constructor(command: WorkerCommand, options: WorkerDeviceOptions) {
    this.name = options.name;
    this.concurrency = options.lookAhead;
    this.options = options;
    this.timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.client = new WorkerClient(command, { ...options, onStart: (life) => this.teach(life) });
  }

  /** Starts the worker and gives its greeting. Throws `KernelcastError("device", …)`. */
  greet(): Promise<Greeting> {
    return this.client.hello();
  }

  /** The device with its environment and controls; asked once. */
  details(): Promise<Description> {
    const known = this.description;
    if (known) return known;
    const asked = this.ask("describe", {}, this.timeouts.describe).then((result) =>
      this.parse("describe", describeAnswerSchema, result),
    );
    this.description = asked;
    asked.catch(() => (this.description = undefined));
    return asked;
  }

  async describe(): Promise<DeviceInfo> {
    return toDeviceInfo((await this.details()).device);
  }

  /** What a measurement depends on beside the device: versions of driver, CUDA and worker, as far as they are told. */
  async environment(): Promise<Readonly<Record<string, string>>> {
    const [{ worker_version: worker }, { device, environment }] = await Promise.all([this.greet(), this.details()]);
    const told = {
      driver: device.driver ?? environment?.["driver"],
      cuda: environment?.["cuda"],
      worker,
    };
    const known = Object.entries(told).filter(([, value]) => value != null && value !== "");
    return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
  }

  async compile(task: Task, kernels: readonly Kernel[], signal?: AbortSignal): Promise<readonly CompileOutcome[]> {
    const prepared = kernels.map((kernel) => ({ kernel, wire: this.prepare(kernel, task) }));
    const wires = prepared.flatMap(({ wire }) => (wire.ok ? [wire.value] : []));
    const { arch } = this.options;
    const params = { kernels: wires, ...(arch === undefined ? {} : { arch }) };
    const result =
      wires.length > 0 ? await this.ask("compile", params, this.timeouts.compile, signal) : { results: [] };
    const { results } = this.parse("compile", compileAnswerSchema, result);
    const answered = new Map(results.map((answer) => [answer.kernel_id, toCompileOutcome(answer)]));
    return prepared.map(({ kernel, wire }): CompileOutcome => {
      const { kernelId } = kernel;
      if (!wire.ok) return { kernelId, ok: false, error: wire.error };
      return (
        answered.get(kernelId) ?? { kernelId, ok: false, error: "compile: the worker gave no answer for this kernel" }
      );
    });
  }

  async measure(request: MeasureRequest, signal?: AbortSignal): Promise<Measurement> {
    signal?.throwIfAborted();
    const known = this.answers.get(request.requestId);
    if (known) return untilAborted(known, signal);
    const answer = this.measureAnew(request, signal);
    this.answers.set(request.requestId, answer);
    answer.catch(() => this.answers.delete(request.requestId));
    const [oldest] = this.answers.keys();
    if (this.answers.size > rememberedAnswers && oldest !== undefined) this.answers.delete(oldest);
    return answer;
  }

  private async measureAnew(request: MeasureRequest, signal: AbortSignal | undefined): Promise<Measurement> {
    const kernel = this.prepare(request.kernel, request.task);
    if (!kernel.ok) return this.failed(request, "launch_error", kernel.error);
    for (let sends = 1; ; sends++) {
      const params = {
        request_id: request.requestId,
        task_key: await this.taskKey(request.task),
        kernel: kernel.value,
        mode: request.mode,
        ...this.anchorOf(request),
        ...(request.sealed === undefined ? {} : { sealed: request.sealed }),
        ...this.limits(),
      };
      const answer = await this.client.request("measure", params, { timeoutMs: this.timeouts.measure, signal });
      if (answer.kind === "result") return this.toMeasurement(request, answer.result);
      if (answer.kind === "lost") {
        return this.failed(request, "crashed", `crash: the worker died on this kernel 3 times: ${answer.reason}`);
      }
      if (answer.code !== "unknown_task" || sends === maxTaskSends) throw this.refusal("measure", answer);
      this.taskKeys.delete(taskText(request.task));
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private anchorOf({ anchor, task }: MeasureRequest): object {
    if (!anchor) return {};
    return { anchor: { kernel: toWorkerKernel(anchor.kernel, task), runtime_us: anchor.measurement.runtime.medianUs } };
  }

  private limits(): object {
    const { timeoutS, gpuS } = this.options.limits ?? {};
    if (timeoutS === undefined && gpuS === undefined) return {};
    return {
      limits: {
        ...(timeoutS === undefined ? {} : { timeout_s: timeoutS }),
        ...(gpuS === undefined ? {} : { gpu_s: gpuS }),
      },
    };
  }

  /** Launch geometry that does not evaluate is the candidate's fault, and so a value. */
  private prepare(kernel: Kernel, task: Task): Prepared {
    try {
      return { ok: true, value: toWorkerKernel(kernel, task) };
    } catch (error) {
      if (KernelcastError.isInstance(error)) return { ok: false, error: `launch: ${error.message}` };
      throw error;
    }
  }

  private failed(request: MeasureRequest, status: "launch_error" | "crashed", error: string): Measurement {
    return { kernelId: request.kernel.kernelId, device: this.name, status, error, cost: noCost };
  }

  private toMeasurement(request: MeasureRequest, result: unknown): Measurement {
    const answer = this.parse("measure", measureAnswerSchema, result);
    if (answer.kernel_id !== request.kernel.kernelId || answer.request_id !== request.requestId) {
      throw new KernelcastError(
        "device",
        `${this.name}: the worker answered ${request.requestId} with another's measurement`,
      );
    }
    this.options.onAnswer?.(request.requestId, result);
    return toMeasurement(answer, this.keepReceipt(request.requestId, answer.receipt));
  }

  private keepReceipt(requestId: string, receipt: unknown): string | undefined {
    if (receipt == null || !this.options.onReceipt) return undefined;
    const text = canonicalJson(receipt);
    const sha256 = sha256Hex(text);
    this.options.onReceipt({ requestId, text, sha256 });
    return sha256;
  }

  private taskKey(task: Task): Promise<string> {
    const text = taskText(task);
    const known = this.taskKeys.get(text);
    if (known) return known;
    const key = this.ask("task", JSON.parse(text), this.timeouts.task).then((result) => {
      this.registered.add(text);
      return this.parse("task", taskAnswerSchema, result).task_key;
    });
    this.taskKeys.set(text, key);
    key.catch(() => this.taskKeys.delete(text));
    return key;
  }

  /** Tells a worker that was started anew the tasks that its predecessor knew. */
  private async teach(life: WorkerLife): Promise<void> {
    let index = 0;
    for (const text of this.registered) {
      const request = { id: `teach-${index++}`, method: "task", params: JSON.parse(text) } as const;
      await life.request(request, this.timeouts.task);
    }
  }

  private async ask(method: WorkerMethod, params: unknown, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.client.request(method, params, { timeoutMs, signal });
    if (answer.kind === "result") return answer.result;
    throw this.refusal(method, answer);
  }

  private refusal(method: WorkerMethod, answer: Exclude<WorkerAnswer, { kind: "result" }>): KernelcastError {
    if (answer.kind === "lost") {
      return new KernelcastError(
        "device",
        `${this.name}: ${method} failed: ${answer.reason}; try \`kernelcast doctor\``,
      );
    }
    if (answer.code === "reference_failed") {
      return new KernelcastError("task", `the task's reference failed on ${this.name}: ${answer.message}`);
    }
    return new KernelcastError("device", `${this.name}: ${answer.message} (${answer.code} in ${method})`);
  }

  private parse<T>(method: WorkerMethod, schema: Parser<T>, result: unknown): T {
    const parsed = schema.safeParse(result);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const place = issue && issue.path.length > 0 ? ` at ${issue.path.map(String).join(".")}` : "";
    throw new KernelcastError(
      "device",
      `${this.name}: the worker's answer to ${method} is not of the protocol${place}: ${issue?.message ?? "unknown shape"}`,
    );
  }
}

type Prepared =
  | { readonly ok: true; readonly value: ReturnType<typeof toWorkerKernel> }
  | { readonly ok: false; readonly error: string };

interface Parser<T> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { path: PropertyKey[]; message: string }[] };
      };
}

/** Waits for somebody else's work without being able to stop it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

const taskTexts = new WeakMap<Task, string>();

/** The parameters of the `task` request; made once per task. */
function taskText(task: Task): string {
  const known = taskTexts.get(task);
  if (known !== undefined) return known;
  const made = canonicalJson({ task: toWorkerTask(task) });
  taskTexts.set(task, made);
  return made;
}
