import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson, sha256Hex } from "../../domain/index.ts";
import { parseLlmSpecification } from "../../forecast/llm/options.ts";
import { recordingFolder } from "../../formats/recording-folder.ts";
import { ggufIdentity, parseModelSpecification } from "../../language-model/index.ts";
import { digestPath } from "../bench/digest-path.ts";
import { memberNames, shippedMembers } from "../open-ensemble.ts";
import { packagePath } from "../package-paths.ts";

/**
 * Digest of what a surrogate is made of: its models and its calibration recipes, as files. Refitting within a run changes neither. Of a
 * hosted language model or a program nothing but its name is known.
 */
export function surrogateRecipe(forecaster: string): string {
  const { kind, detail } = split(forecaster);
  const models = shippedFiles(kind, detail);
  if (models) return digestFiles(models);
  if (kind === "adapt")
    return sha256Hex(`${digestFiles([packagePath("models/adapt-v1.json")])} ${surrogateRecipe(detail)}`);
  if (["static", "compare", "embedded", "recorded"].includes(kind)) {
    const [path = ""] = detail.split("#");
    return sha256Hex(digestPath(recordingFolder(path)) ?? path);
  }
  if (kind === "gguf") return ggufRecipe(forecaster, detail);
  return sha256Hex(forecaster);
}

/** Of models in files the content is known, and how they are asked. */
function ggufRecipe(forecaster: string, detail: string): string {
  const { model, options } = parseLlmSpecification(detail);
  const specification = parseModelSpecification(`gguf:${model}`);
  if (specification.provider !== "gguf" || !existsSync(specification.file)) return sha256Hex(forecaster);
  return sha256Hex(`${ggufIdentity(specification)} ${canonicalJson(options)}`);
}

function split(text: string): { readonly kind: string; readonly detail: string } {
  const mark = text.indexOf(":");
  return mark < 0 ? { kind: text, detail: "" } : { kind: text.slice(0, mark), detail: text.slice(mark + 1) };
}

function shippedFiles(kind: string, detail: string): readonly string[] | undefined {
  if (kind === "adapt" && detail === "auto") return ensembleFiles(["adapted", "compare"]).concat(memberFile("static"));
  if (kind === "static" && detail === "") return [memberFile("static")];
  if (["compare", "embedded"].includes(kind) && detail === "") return ensembleFiles([kind]);
  if (kind === "ensemble") return ensembleFiles(memberNames(detail));
  if (kind === "auto")
    return ensembleFiles(Object.keys(shippedMembers).filter((name) => !shippedMembers[name]?.onlyByName));
  return undefined;
}

function memberFile(name: string): string {
  return shippedMembers[name]?.model ?? name;
}

function ensembleFiles(names: readonly string[]): string[] {
  return [join(packagePath("models"), `ensemble-${names.join("+")}.json`), ...names.map(memberFile)];
}

function digestFiles(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths) {
    hash.update(existsSync(path) && statSync(path).isFile() ? readFileSync(path) : "absent");
    hash.update("\0");
  }
  return hash.digest("hex");
}
