import { KernelcastError, type Forecaster } from "../domain/index.ts";
import { memberNames, openAuto, openEnsemble } from "./open-ensemble.ts";
import { packagePath } from "./package-paths.ts";
import { parseSpecification } from "./specification.ts";

const forecasterKinds: readonly string[] = ["static", "ensemble", "auto"];

/** Throws `KernelcastError("usage", …)` for a forecaster that cannot be opened whatever the files. */
export function checkForecaster(text: string): void {
  const { kind, detail } = parseSpecification("forecaster", text, forecasterKinds);
  if (kind === "ensemble") memberNames(detail);
  if (kind === "auto" && detail !== "") {
    throw new KernelcastError("usage", `--forecaster ${text}: auto stands alone; name members with ensemble:static`);
  }
}

/**
 * Opens a forecaster by name: `static` with an optional path of a model file, `ensemble:A+B`, or `auto`, the ensemble of all
 * that ship.
 */
export async function openForecaster(text: string): Promise<Forecaster> {
  checkForecaster(text);
  const { kind, detail } = parseSpecification("forecaster", text, forecasterKinds);
  if (kind === "ensemble") return openEnsemble(detail);
  if (kind === "auto") return openAuto();
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
