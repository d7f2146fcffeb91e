import type { Forecaster } from "../../domain/index.ts";
import { readModel } from "../read-model.ts";
import type { FactsCache } from "./facts-cache.ts";
import { createStaticForecaster } from "./static-forecaster.ts";
import { parseStaticModel } from "./static-model.ts";

/** The forecaster `static` with the model of a file. Throws `KernelcastError("model", …)` for one that does not fit. */
export async function loadStaticForecaster(path: string, facts?: FactsCache): Promise<Forecaster> {
  return createStaticForecaster(parseStaticModel(await readModel(path), path), facts);
}
