import { setImmediate as nextTurn } from "node:timers/promises";
import { KernelcastError } from "../../domain/index.ts";
import { findOnnxRuntime, type FindRuntimeOptions, type OnnxRuntime, type OnnxSession } from "./onnx-runtime.ts";
import type { EncodedKernel } from "./tokenizer.ts";

export interface EncoderOptions {
  /** Numbers in a vector. */
  readonly width: number;
  /** Lengths are padded to multiples of this. */
  readonly lengthStep: number;
  /** The model's path, for messages. */
  readonly path: string;
  readonly find?: FindRuntimeOptions;
}

/** What goes wrong is thrown; the runtime need not also print it. */
const quiet = { logSeverityLevel: 4 };

/** Reads a kernel's tokens into one vector, with a network in ONNX. One kernel at a time; others wait their turn. */
export class Encoder {
  readonly #runtime: OnnxRuntime;
  readonly #options: EncoderOptions;
  #session: OnnxSession | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(runtime: OnnxRuntime, session: OnnxSession, options: EncoderOptions) {
    this.#runtime = runtime;
    this.#session = session;
    this.#options = options;
  }

  /** Throws `KernelcastError("model", …)` for bytes that are no network. */
  static async open(bytes: Uint8Array, options: EncoderOptions): Promise<Encoder> {
    const { name, runtime } = await findOnnxRuntime(options.find);
    const executionProviders = [name === "web" ? "wasm" : "cpu"];
    try {
      const session = await runtime.InferenceSession.create(bytes, {
        executionProviders,
        intraOpNumThreads: 1,
        ...quiet,
      });
      return new Encoder(runtime, session, options);
    } catch (cause) {
      throw new KernelcastError("model", `${options.path}: the encoder does not load: ${reason(cause)}`, { cause });
    }
  }

  /** Rejects with the signal's reason when cancelled, after the kernel in hand. */
  async encode(kernel: EncodedKernel, signal?: AbortSignal): Promise<Float32Array> {
    const turn = this.#last.then(async () => {
      // The network runs on this thread: between two kernels others have their turn.
      await nextTurn();
      signal?.throwIfAborted();
      return this.#run(kernel);
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run({ ids, magnitudes }: EncodedKernel): Promise<Float32Array> {
    const { width, lengthStep, path } = this.#options;
    if (!this.#session) throw new KernelcastError("model", `${path}: the encoder was closed`);
    const length = Math.max(1, Math.ceil(ids.length / lengthStep)) * lengthStep;
    const vectors = await this.#ask(this.#session, padded(ids, length), padded(magnitudes, length));
    if (!(vectors instanceof Float32Array) || vectors.length !== width || !vectors.every(Number.isFinite))
      throw new KernelcastError(
        "model",
        `${path}: the encoder gives no vector of ${width} numbers; take the file anew`,
      );
    return vectors.slice();
  }

  async #ask(session: OnnxSession, ids: BigInt64Array, magnitudes: BigInt64Array): Promise<unknown> {
    const tensor = (data: BigInt64Array): unknown => new this.#runtime.Tensor("int64", data, [1, data.length]);
    try {
      const outputs = await session.run({ ids: tensor(ids), magnitudes: tensor(magnitudes) }, quiet);
      return outputs["vectors"]?.data;
    } catch (cause) {
      throw new KernelcastError("model", `${this.#options.path}: the encoder failed: ${reason(cause)}`, { cause });
    }
  }

  /** After the kernel in hand; idempotent. */
  async close(): Promise<void> {
    await this.#last;
    const session = this.#session;
    this.#session = undefined;
    await session?.release();
  }
}

/** Id 0 is padding, which the encoder does not see. */
function padded(values: readonly number[], length: number): BigInt64Array {
  const out = new BigInt64Array(length);
  values.forEach((value, at) => (out[at] = BigInt(value)));
  return out;
}

function reason(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0] ?? "";
}
