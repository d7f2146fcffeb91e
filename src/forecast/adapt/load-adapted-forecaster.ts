import { dirname, join } from "node:path";
import { KernelcastError, sha256Hex, type Forecaster } from "../../domain/index.ts";
import { readModel } from "../read-model.ts";
import { FactsCache } from "../static/facts-cache.ts";
import { createStaticForecaster } from "../static/static-forecaster.ts";
import { parseStaticModel } from "../static/static-model.ts";
import { parseAdaptModel, type AdaptModel } from "./adapt-model.ts";
import { adapted } from "./adapted-forecaster.ts";

/** Throws `KernelcastError("model", …)` for a file that does not fit. */
export async function loadAdaptModel(path: string): Promise<AdaptModel> {
  return parseAdaptModel(await readModel(path), path);
}

/** The forecaster `static` that learns within a run, as members of ensembles are opened: its model lies beside the file. */
export async function loadAdaptedStatic(path: string, facts = new FactsCache()): Promise<Forecaster> {
  const model = await loadAdaptModel(path);
  const staticPath = join(dirname(path), model.fittedOn.forecaster.file);
  const text = await readModel(staticPath);
  if (sha256Hex(text) !== model.fittedOn.forecaster.sha256) {
    throw new KernelcastError(
      "model",
      `${path}: fitted to another ${staticPath}; fit it again with npm run fit:adaptation`,
    );
  }
  const forecaster = createStaticForecaster(parseStaticModel(text, staticPath), facts);
  return adapted(forecaster, { model, facts });
}
