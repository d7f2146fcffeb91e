import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { KernelcastError } from "../../domain/index.ts";

/** What is used of onnxruntime, which its packages for Node and for WebAssembly have in common. */
export interface OnnxRuntime {
  readonly Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OnnxSession>;
  };
}

export interface OnnxSession {
  run(
    inputs: Readonly<Record<string, unknown>>,
    options: Readonly<Record<string, unknown>>,
  ): Promise<Readonly<Record<string, { readonly data: unknown }>>>;
  release(): Promise<void>;
}

export type RuntimeName = "web" | "node";

export interface FindRuntimeOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Where the user works; packages installed there are found. */
  readonly folder?: string;
}

/**
 * The user's `onnxruntime-node` where there is one that works, beside this package or in the working directory; else
 * `onnxruntime-web`, which runs everywhere and is slower. `KERNELCAST_ONNX=web` or `node` decides otherwise.
 * Throws `KernelcastError("model", …)` where there is none.
 */
export async function findOnnxRuntime({ env = process.env, folder = process.cwd() }: FindRuntimeOptions = {}): Promise<{
  readonly name: RuntimeName;
  readonly runtime: OnnxRuntime;
}> {
  const wanted = env["KERNELCAST_ONNX"] ?? "";
  if (!["", "web", "node"].includes(wanted))
    throw new KernelcastError("usage", `KERNELCAST_ONNX=${wanted}: write web or node, or leave it away`);
  const native = wanted === "web" ? undefined : loadNative(folder);
  if (native) return { name: "node", runtime: native };
  if (wanted === "node") {
    const advice = "npm install onnxruntime-node, or leave KERNELCAST_ONNX away";
    throw new KernelcastError("model", `KERNELCAST_ONNX=node: no onnxruntime-node that loads; ${advice}`);
  }
  return { name: "web", runtime: await loadWeb() };
}

function loadNative(folder: string): OnnxRuntime | undefined {
  for (const place of [import.meta.url, pathToFileURL(join(folder, "package.json"))]) {
    try {
      return createRequire(place)("onnxruntime-node") as OnnxRuntime;
    } catch {
      // Not there, or not for this machine: the next is as good.
    }
  }
  return undefined;
}

async function loadWeb(): Promise<OnnxRuntime> {
  try {
    const web = await import("onnxruntime-web");
    // A second thread gains little on kernels of this length, and takes memory.
    web.env.wasm.numThreads = 1;
    web.env.logLevel = "fatal";
    return web;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("model", `cannot load onnxruntime-web: ${why}; install kernelcast again`, { cause });
  }
}
