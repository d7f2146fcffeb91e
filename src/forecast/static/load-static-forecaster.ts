import { readFile } from "node:fs/promises";
import { fileFault, KernelcastError, type Forecaster } from "../../domain/index.ts";
import { createStaticForecaster } from "./static-forecaster.ts";
import { parseStaticModel } from "./static-model.ts";

/** The forecaster `static` with the model of a file. Throws `KernelcastError("model", …)` for one that does not fit. */
export async function loadStaticForecaster(path: string): Promise<Forecaster> {
  return createStaticForecaster(parseStaticModel(await readModel(path), path));
}

async function readModel(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const missing = typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT";
    const why = missing ? "no such file" : fileFault(cause);
    throw new KernelcastError("model", `cannot read the forecaster's model ${path}: ${why}`, { cause });
  }
}
