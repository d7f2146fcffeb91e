import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileFault, KernelcastError, sha256Hex, suggestion, type Forecaster } from "../domain/index.ts";
import { plainRecipe } from "../forecast/calibrate/recipe.ts";
import { createEnsembleForecaster, type EnsembleMember } from "../forecast/ensemble/ensemble-forecaster.ts";
import { parseEnsembleRecipe, type EnsembleRecipe } from "../forecast/ensemble/ensemble-recipe.ts";
import type { FactsCache } from "../forecast/static/facts-cache.ts";
import { packagePath } from "./package-paths.ts";

/**
 * A forecaster that ensembles are made of: its shipped model's path, and how it is opened. Where a model is several files, this is the
 * one that holds the hashes of the others, which are checked when it is opened.
 */
export interface MemberSource {
  readonly model: string;
  /** `auto` leaves it out (docs/decisions/0012-auto.md). */
  readonly onlyByName?: true;
  /** With what the members of an ensemble share. */
  readonly open: (model: string, facts?: FactsCache) => Promise<Forecaster>;
}

/** Forecasters that ship with the package, by name, in the order of `auto`. A model that is not there is not a member. */
export const shippedMembers: Readonly<Record<string, MemberSource>> = {
  static: {
    model: packagePath("models/static-v1.json"),
    open: async (model, facts) => {
      const { loadStaticForecaster } = await import("../forecast/static/load-static-forecaster.ts");
      return loadStaticForecaster(model, facts);
    },
  },
  compare: {
    model: packagePath("models/compare-v1.json"),
    open: async (model, facts) => {
      const { loadCompareForecaster } = await import("../forecast/compare/load-compare-forecaster.ts");
      return loadCompareForecaster(model, facts);
    },
  },
  embedded: {
    onlyByName: true,
    model: packagePath("models/embedded-v1/head.json"),
    open: async (model, facts) => {
      const { loadEmbeddedForecaster } = await import("../forecast/embedded/load-embedded-forecaster.ts");
      return loadEmbeddedForecaster(dirname(model), facts);
    },
  },
  adapted: {
    onlyByName: true,
    model: packagePath("models/adapt-v1.json"),
    open: async (model, facts) => {
      const { loadAdaptedStatic } = await import("../forecast/adapt/load-adapted-forecaster.ts");
      return loadAdaptedStatic(model, facts);
    },
  },
};

export interface OpenEnsembleOptions {
  readonly sources?: Readonly<Record<string, MemberSource>>;
  /** What the forecaster is called; `ensemble:` and its members' names otherwise. */
  readonly name?: string;
  /** Folder of the recipes `ensemble-NAMES.json`. */
  readonly folder?: string;
  readonly facts?: FactsCache | undefined;
}

/** The names in `static+embedded`. Throws `KernelcastError("usage", …)`. */
export function memberNames(detail: string, sources = shippedMembers): string[] {
  const names = detail.split("+").map((name) => name.trim());
  const known = Object.keys(sources);
  const example = `ensemble:${known.join("+")}`;
  for (const name of names) {
    if (name === "") {
      throw new KernelcastError("usage", `--forecaster ensemble:${detail}: name its members, for example ${example}`);
    }
    if (!known.includes(name)) {
      throw new KernelcastError(
        "usage",
        `--forecaster ensemble:${detail}: no member "${name}" (known: ${known.join(", ")})${suggestion(name, known)}`,
      );
    }
  }
  if (new Set(names).size < names.length) {
    throw new KernelcastError("usage", `--forecaster ensemble:${detail}: a member is named twice`);
  }
  return names;
}

/** Opens the ensemble of the members named, calibrated and weighed as the shipped recipe says. */
export async function openEnsemble(detail: string, options: OpenEnsembleOptions = {}): Promise<Forecaster> {
  const { sources = shippedMembers, folder = packagePath("models") } = options;
  const names = memberNames(detail, sources);
  const joint = await readRecipe(names, folder);
  const facts = options.facts ?? new (await import("../forecast/static/facts-cache.ts")).FactsCache();
  const members = await Promise.all(
    names.map(async (name): Promise<EnsembleMember & { readonly device: string | undefined }> => {
      const { model, open } = sources[name] as MemberSource;
      const own = joint ?? (await readRecipe([name], folder));
      const kept = own?.members.find((member) => member.name === name);
      if (kept) await checkModel(name, model, kept.modelSha256);
      return {
        name,
        forecaster: await open(model, facts),
        recipe: kept?.recipe ?? plainRecipe,
        weight: joint && kept ? kept.weight : 1 / names.length,
        device: own?.fittedOn.device,
      };
    }),
  );
  const device = members.find((member) => member.device !== undefined)?.device;
  return createEnsembleForecaster({
    name: options.name ?? `ensemble:${names.join("+")}`,
    members,
    ...(device ? { device } : {}),
  });
}

/** Opens the best that ships: the ensemble of the members that are worth their time and whose model is there. */
export async function openAuto(options: OpenEnsembleOptions = {}): Promise<Forecaster> {
  const { sources = shippedMembers } = options;
  const wanted = Object.entries(sources).filter(([, { onlyByName }]) => !onlyByName);
  const present = await Promise.all(wanted.map(async ([name, { model }]) => ((await exists(model)) ? [name] : [])));
  const names = present.flat();
  if (names.length === 0)
    throw new KernelcastError("model", "no forecaster's model is in the package; install it again");
  return openEnsemble(names.join("+"), options);
}

async function readRecipe(names: readonly string[], folder: string): Promise<EnsembleRecipe | undefined> {
  const path = `${folder}/ensemble-${names.join("+")}.json`;
  const text = await readIfThere(path);
  return text === undefined ? undefined : parseEnsembleRecipe(text, path);
}

/** A recipe fitted to another model would calibrate the wrong errors. */
async function checkModel(name: string, model: string, sha256: string): Promise<void> {
  const text = await readIfThere(model);
  if (text === undefined || sha256Hex(text) === sha256) return;
  throw new KernelcastError(
    "model",
    `${model}: the calibration of ${name} was fitted to another model; fit it again with npm run calibrate`,
  );
}

async function exists(path: string): Promise<boolean> {
  return (await readIfThere(path)) !== undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new KernelcastError("model", `cannot read ${path}: ${fileFault(cause)}`, { cause });
  }
}
