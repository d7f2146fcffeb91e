import type { Forecaster, Kernel, Task } from "../../domain/index.ts";
import { createComparingForecaster } from "../compare/compare-forecaster.ts";
import { CompareNetwork } from "../compare/compare-network.ts";
import { FactsCache } from "../static/facts-cache.ts";
import type { EmbeddedModel } from "./embedded-model.ts";
import type { Encoder } from "./encoder.ts";

/** Kernels whose vectors are kept: some megabytes, and each took tens of milliseconds. */
const keptVectors = 4096;

/**
 * The forecaster `embedded`: a transformer reads a kernel's source into a vector, and a small network compares vectors and
 * features with those of measured kernels of the task. Pure but for its caches; `close` ends the encoder.
 */
export function createEmbeddedForecaster(model: EmbeddedModel, encoder: Encoder, facts = new FactsCache()): Forecaster {
  const vectors = new Map<string, Float32Array>();
  const vectorOf = async (kernel: Kernel, task: Task, signal: AbortSignal | undefined): Promise<Float32Array> => {
    const key = `${task.taskId} ${kernel.kernelId}`;
    const known = vectors.get(key);
    if (known) return known;
    const vector = await encoder.encode(model.tokenizer.encode(kernel, task, model.limit), signal);
    if (vectors.size >= keptVectors) vectors.delete(vectors.keys().next().value ?? "");
    vectors.set(key, vector);
    return vector;
  };
  const network = new CompareNetwork(model.head);
  const forecaster = createComparingForecaster({ name: "embedded", network, facts, vectorOf });
  return { ...forecaster, close: () => encoder.close() };
}
