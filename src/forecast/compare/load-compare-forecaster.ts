import { readFile } from "node:fs/promises";
import { fileFault, KernelcastError, type Forecaster } from "../../domain/index.ts";
import { createCompareForecaster } from "./compare-forecaster.ts";
import { parseCompareModel } from "./compare-model.ts";

/** The forecaster `compare` with the model of a file. Throws `KernelcastError("model", …)` for one that does not fit. */
export async function loadCompareForecaster(path: string): Promise<Forecaster> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new KernelcastError("model", `cannot read the forecaster's model ${path}: ${fileFault(cause)}`, { cause });
  }
  return createCompareForecaster(parseCompareModel(text, path));
}
