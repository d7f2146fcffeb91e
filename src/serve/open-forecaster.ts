import { KernelcastError, suggestion, type Forecaster } from "../domain/index.ts";
import { baselineKinds, createBaseline, type BaselineKind } from "../forecast/baseline/baseline-forecaster.ts";
import { parseLlmSpecification } from "../forecast/llm/options.ts";
import type { FactsCache } from "../forecast/static/facts-cache.ts";
import { parseModelSpecification, type LanguageModels } from "../language-model/index.ts";
import { modelKinds, namesModel, splitModel } from "./language-models.ts";
import { memberNames, openAuto, openEnsemble } from "./open-ensemble.ts";
import { packagePath } from "./package-paths.ts";
import { parseSpecification } from "./specification.ts";

export interface OpenForecasterOptions {
  /** How long a program may take for one answer, in seconds. */
  readonly limitSeconds?: number | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Gives up waiting for a program to greet. */
  readonly signal?: AbortSignal | undefined;
  /** What was read of kernels, for forecasters that are asked about the same ones. */
  readonly facts?: FactsCache | undefined;
  /** What language models are opened by; by default without a budget, and answers are kept in memory. */
  readonly models?: LanguageModels | undefined;
}

type Opener = (detail: string, options: OpenForecasterOptions) => Promise<Forecaster>;

/** What `--forecaster` takes, by kind; the rest is read when it is opened. */
const openers: Readonly<Record<string, Opener>> = {
  static: openStatic,
  compare: openCompare,
  embedded: openEmbedded,
  command: openCommand,
  recorded: openRecorded,
  ensemble: (detail, { facts }) => openEnsemble(detail, { facts }),
  auto: (_, { facts }) => openAuto({ facts }),
  adapt: openAdapted,
  baseline: async (detail) => createBaseline(baselineKind(detail)),
  ...Object.fromEntries(modelKinds.map((kind) => [kind, modelOpener(kind)])),
};

const forecasterKinds: readonly string[] = Object.keys(openers);

/** Throws `KernelcastError("usage", …)` for a forecaster that cannot be opened whatever the files. */
export function checkForecaster(text: string): void {
  const { kind, detail } = parseSpecification("forecaster", text, forecasterKinds);
  if (kind === "baseline") baselineKind(detail);
  if (kind === "ensemble") memberNames(detail);
  if (kind === "adapt") return checkAdapted(detail);
  if (namesModel(text)) return checkModel(text);
  if (kind === "auto") {
    if (detail === "") return;
    throw new KernelcastError("usage", `--forecaster ${text}: auto stands alone; name members with ensemble:static`);
  }
  if (detail.trim() !== "" || ["static", "compare", "embedded"].includes(kind)) return;
  const example = kind === "command" ? "command:'python3 my.py'" : "recorded:forecasts.jsonl";
  throw new KernelcastError("usage", `--forecaster ${text}: write what follows the colon, for example ${example}`);
}

/**
 * Opens `static[:MODEL]`, `compare[:MODEL]`, `embedded[:FOLDER]`, `ensemble:A+B`, `auto` (the ensemble of all that ship),
 * `adapt:FORECASTER` (one that learns within a run),
 * `recorded:PATH[#NAME]`, `command:PROGRAM`, `baseline:NAME`, or a language model with how it is asked, as
 * `openai:MODEL[?form=bins]`, `openai-compatible:MODEL@http://HOST:PORT/v1`, `gguf:FILE`. Close it after use where it can be.
 */
export async function openForecaster(text: string, options: OpenForecasterOptions = {}): Promise<Forecaster> {
  checkForecaster(text);
  const { kind, detail } = parseSpecification("forecaster", text, forecasterKinds);
  return (openers[kind] ?? openStatic)(detail, options);
}

/** Forecasters that compare kernels with measured ones, and so learn in their own way. */
const comparing: readonly string[] = ["compare", "embedded", "ensemble"];

/** The members of `adapt:auto`: what learns by residuals, and what learns by comparing. */
const adaptedAuto = "adapted+compare";

function checkAdapted(detail: string): void {
  const [kind = ""] = detail.split(":", 1);
  if (detail === "" || kind === "adapt")
    throw new KernelcastError(
      "usage",
      `--forecaster adapt:${detail}: write what is to learn, for example adapt:static`,
    );
  if (comparing.includes(kind))
    throw new KernelcastError(
      "usage",
      `--forecaster adapt:${detail}: ${kind} learns from measured kernels by itself; adapt:auto pools it with one that adapts`,
    );
  checkForecaster(detail);
}

async function openAdapted(detail: string, options: OpenForecasterOptions): Promise<Forecaster> {
  if (detail === "auto") return openEnsemble(adaptedAuto, { facts: options.facts, name: "adapt:auto" });
  const [{ adapted }, { loadAdaptModel }, { FactsCache }] = await Promise.all([
    import("../forecast/adapt/adapted-forecaster.ts"),
    import("../forecast/adapt/load-adapted-forecaster.ts"),
    import("../forecast/static/facts-cache.ts"),
  ]);
  const facts = options.facts ?? new FactsCache();
  const model = await loadAdaptModel(packagePath("models/adapt-v1.json"));
  return adapted(await openForecaster(detail, { ...options, facts }), { model, facts, name: `adapt:${detail}` });
}

/** Throws for a name or an option that no model has. */
function checkModel(text: string): void {
  const { kind, detail } = splitModel("forecaster", text);
  parseModelSpecification(`${kind}:${parseLlmSpecification(detail).model}`);
}

function modelOpener(kind: string): Opener {
  return async (detail, { models, env }) => {
    const [{ createLlmForecaster }, { createLanguageModels }, { sanitisedForecaster }] = await Promise.all([
      import("../forecast/llm/llm-forecaster.ts"),
      import("../language-model/index.ts"),
      import("./sanitised-forecaster.ts"),
    ]);
    const { model, options } = parseLlmSpecification(detail);
    const opened = await (models ?? createLanguageModels(env ? { environment: env } : {})).open(`${kind}:${model}`);
    return sanitisedForecaster(createLlmForecaster(opened, options));
  };
}

async function openStatic(detail: string, { facts }: OpenForecasterOptions): Promise<Forecaster> {
  const path = detail === "" ? packagePath("models/static-v1.json") : detail;
  try {
    const { loadStaticForecaster } = await import("../forecast/static/load-static-forecaster.ts");
    return await loadStaticForecaster(path, facts);
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("model", `cannot load the forecaster's model ${path}: ${why}`, { cause });
  }
}

async function openCompare(detail: string, { facts }: OpenForecasterOptions): Promise<Forecaster> {
  if (detail === "") return openEnsemble("compare", { facts, name: "compare" });
  const { loadCompareForecaster } = await import("../forecast/compare/load-compare-forecaster.ts");
  return loadCompareForecaster(detail, facts);
}

async function openEmbedded(detail: string, { env, facts }: OpenForecasterOptions): Promise<Forecaster> {
  if (detail === "") return openEnsemble("embedded", { facts, name: "embedded" });
  const { loadEmbeddedForecaster } = await import("../forecast/embedded/load-embedded-forecaster.ts");
  return loadEmbeddedForecaster(detail, facts, env ? { env } : {});
}

async function openCommand(command: string, { limitSeconds, env, signal }: OpenForecasterOptions): Promise<Forecaster> {
  const [{ openCommandForecaster }, { sanitisedForecaster }] = await Promise.all([
    import("../forecast/command/command-forecaster.ts"),
    import("./sanitised-forecaster.ts"),
  ]);
  const options = { command, ...(limitSeconds === undefined ? {} : { limitSeconds }), ...(env ? { env } : {}) };
  return sanitisedForecaster(await openCommandForecaster(options, signal));
}

async function openRecorded(detail: string): Promise<Forecaster> {
  const [{ recordedForecaster }, { loadForecasts }] = await Promise.all([
    import("../forecast/recorded/recorded-forecaster.ts"),
    import("../formats/forecast-table.ts"),
  ]);
  const mark = detail.lastIndexOf("#");
  const where = mark < 0 ? detail : detail.slice(0, mark);
  const name = mark < 0 ? undefined : detail.slice(mark + 1);
  return recordedForecaster(await loadForecasts(where), { where, name });
}

function baselineKind(detail: string): BaselineKind {
  const kind = baselineKinds.find((one) => one === detail);
  if (kind) return kind;
  throw new KernelcastError(
    "usage",
    `--forecaster baseline:${detail}: unknown baseline "${detail}" (known: ${baselineKinds.join(", ")})${suggestion(detail, baselineKinds)}`,
  );
}
