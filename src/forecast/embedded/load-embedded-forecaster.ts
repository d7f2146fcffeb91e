import { createHash } from "node:crypto";
import { join } from "node:path";
import { KernelcastError, type Forecaster } from "../../domain/index.ts";
import { readModel, readModelBytes } from "../read-model.ts";
import type { FactsCache } from "../static/facts-cache.ts";
import { createEmbeddedForecaster } from "./embedded-forecaster.ts";
import { parseEmbeddedModel } from "./embedded-model.ts";
import { Encoder } from "./encoder.ts";
import type { FindRuntimeOptions } from "./onnx-runtime.ts";

/**
 * The forecaster `embedded` with the model of a folder (`head.json`, `encoder.onnx`). Throws `KernelcastError("model", …)` for one
 * that does not fit. Close it after use.
 */
export async function loadEmbeddedForecaster(
  folder: string,
  facts?: FactsCache,
  find?: FindRuntimeOptions,
): Promise<Forecaster> {
  const [headPath, path] = [join(folder, "head.json"), join(folder, "encoder.onnx")];
  const model = parseEmbeddedModel(await readModel(headPath), headPath);
  const bytes = await readModelBytes(path);
  if (createHash("sha256").update(bytes).digest("hex") !== model.encoderSha256)
    throw new KernelcastError("model", `${path}: not the encoder that ${headPath} was trained with; take both anew`);
  const { head, lengthStep } = model;
  const encoder = await Encoder.open(bytes, { width: head.textWidth, lengthStep, path, ...(find ? { find } : {}) });
  return createEmbeddedForecaster(model, encoder, facts);
}
