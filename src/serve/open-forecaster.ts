import { KernelcastError, type Forecaster } from "../domain/index.ts";
import { packagePath } from "./package-paths.ts";
import { parseSpecification } from "./specification.ts";

const forecasterKinds: readonly string[] = ["static"];

/** Throws `KernelcastError("usage", …)` for a forecaster that cannot be opened whatever the files. */
export function checkForecaster(text: string): void {
  parseSpecification("forecaster", text, forecasterKinds);
}

/** Opens a forecaster by name. `static` takes an optional path of a model file. */
export async function openForecaster(text: string): Promise<Forecaster> {
  const { detail } = parseSpecification("forecaster", text, forecasterKinds);
  const path = detail === "" ? packagePath("models/static-v0.json") : detail;
  try {
    const { loadStaticForecaster } = await import("../forecast/static/load-static-forecaster.ts");
    return await loadStaticForecaster(path);
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("model", `cannot load the forecaster's model ${path}: ${why}`, { cause });
  }
}
