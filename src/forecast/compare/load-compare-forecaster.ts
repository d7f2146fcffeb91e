import type { Forecaster } from "../../domain/index.ts";
import { readModel } from "../read-model.ts";
import type { FactsCache } from "../static/facts-cache.ts";
import { createCompareForecaster } from "./compare-forecaster.ts";
import { parseCompareModel } from "./compare-model.ts";

/** The forecaster `compare` with the model of a file. Throws `KernelcastError("model", …)` for one that does not fit. */
export async function loadCompareForecaster(path: string, facts?: FactsCache): Promise<Forecaster> {
  return createCompareForecaster(parseCompareModel(await readModel(path), path), facts);
}
