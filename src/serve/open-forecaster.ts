import { KernelcastError, suggestion, type Forecaster } from "../domain/index.ts";
import { baselineKinds, createBaseline, type BaselineKind } from "../forecast/baseline/baseline-forecaster.ts";
import { packagePath } from "./package-paths.ts";
import { parseSpecification, type Specification } from "./specification.ts";

const forecasterKinds: readonly string[] = ["static", "baseline"];

/** Throws `KernelcastError("usage", …)` for a forecaster that cannot be opened whatever the files. */
export function checkForecaster(text: string): void {
  const specification = parseSpecification("forecaster", text, forecasterKinds);
  if (specification.kind === "baseline") baselineKind(specification);
}

/** Opens a forecaster by name. `static` takes an optional path of a model file, `baseline` which one. */
export async function openForecaster(text: string): Promise<Forecaster> {
  const specification = parseSpecification("forecaster", text, forecasterKinds);
  const { kind, detail } = specification;
  if (kind === "baseline") return createBaseline(baselineKind(specification));
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

function baselineKind({ text, detail }: Specification): BaselineKind {
  const kind = baselineKinds.find((one) => one === detail);
  if (kind) return kind;
  throw new KernelcastError(
    "usage",
    `--forecaster ${text}: unknown baseline "${detail}" (known: ${baselineKinds.join(", ")})${suggestion(detail, baselineKinds)}`,
  );
}
