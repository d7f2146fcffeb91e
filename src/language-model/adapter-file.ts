import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { KernelcastError } from "../domain/index.ts";
import type { GgufFileInfo, LlamaModule } from "./llama-library.ts";

/** SHA-256 of an adapter's whole content: adapters are small, and near ones differ in few bytes. Throws where there is no such file. */
export function adapterDigest(file: string): string {
  requireAdapter(file);
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** Throws `KernelcastError("model", …)` for a file that is not there. */
export function requireAdapter(file: string): void {
  if (!existsSync(file)) throw new KernelcastError("model", `adapter ${file}: no such file`);
}

/** Throws `KernelcastError("model", …)` for a file that is no low-rank adapter of the model: llama.cpp says so late, and not why. */
export async function checkAdapter(file: string, base: GgufFileInfo, library: LlamaModule): Promise<void> {
  requireAdapter(file);
  const why = misfit(await readHeader(file, library), base);
  if (why !== undefined) throw new KernelcastError("model", `adapter ${file}: ${why}`);
}

async function readHeader(file: string, library: LlamaModule): Promise<GgufFileInfo> {
  try {
    return await library.readGgufFileInfo(file, { sourceType: "filesystem", logWarnings: false });
  } catch (cause) {
    throw new KernelcastError("model", `adapter ${file}: cannot be read as a GGUF file`, { cause });
  }
}

const sides = /\.lora_([ab])$/;

function misfit(adapter: GgufFileInfo, base: GgufFileInfo): string | undefined {
  const { general, adapter: about } = adapter.metadata;
  if (general?.type !== "adapter" || about?.type !== "lora") {
    return "is a GGUF, but not of a LoRA adapter; a whole model is named as gguf:FILE alone";
  }
  const wanted = base.metadata.general?.architecture;
  if (general.architecture !== wanted) {
    return `is for models of the architecture ${general.architecture}, and the model's is ${wanted}`;
  }
  const shapes = new Map((base.tensorInfo ?? []).map(({ name, dimensions }) => [name, dimensions.map(Number)]));
  const stranger = (adapter.tensorInfo ?? []).find(({ name, dimensions }) => {
    // A reads what the tensor reads, B writes what it writes.
    const [input, output] = shapes.get(name.replace(sides, "")) ?? [];
    const [first, second] = dimensions.map(Number);
    return sides.exec(name)?.[1] === "a" ? first !== input : second !== output;
  });
  return stranger && `is for a model of other sizes: ${stranger.name} does not fit`;
}
