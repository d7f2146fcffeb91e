import { KernelcastError } from "../domain/index.ts";

export type HostedProvider = "openai" | "anthropic" | "google";

/** What a user names a language model by. */
export type ModelSpecification =
  | { readonly provider: HostedProvider; readonly model: string }
  | { readonly provider: "openai-compatible"; readonly model: string; readonly baseUrl: string }
  | GgufSpecification;

export interface GgufSpecification {
  readonly provider: "gguf";
  readonly file: string;
  /** File of an adapter that is laid over the model. */
  readonly adapter?: string;
}

const modelForms =
  "openai:MODEL, anthropic:MODEL, google:MODEL, openai-compatible:MODEL@http://HOST:PORT/v1 or gguf:FILE[?adapter=FILE]";

/** What stands between a model's file and its adapter's. */
const adapterMark = "?adapter=";

/** Reads `provider:model`; throws `KernelcastError("usage", …)`. Addresses that hold a key are refused, for they are stored. */
export function parseModelSpecification(text: string): ModelSpecification {
  const colon = text.indexOf(":");
  const [provider, model] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  if (model === "") throw unknown(text);
  if (provider !== "gguf" && model.includes(adapterMark)) {
    const why = "only a gguf: model takes an adapter; a server is given its adapters by itself";
    throw new KernelcastError("usage", `${withoutCredentials(text)}: ${why}`);
  }
  switch (provider) {
    case "openai":
    case "anthropic":
    case "google":
      return { provider, model };
    case "openai-compatible":
      return compatible(text, model);
    case "gguf":
      return gguf(text, model);
    default:
      throw unknown(text);
  }
}

/** The one spelling of a specification: `provider:model`. */
export function modelName(specification: ModelSpecification): string {
  switch (specification.provider) {
    case "openai-compatible":
      return `openai-compatible:${specification.model}@${specification.baseUrl}`;
    case "gguf":
      return `gguf:${specification.file}${specification.adapter === undefined ? "" : adapterMark + specification.adapter}`;
    default:
      return `${specification.provider}:${specification.model}`;
  }
}

function gguf(text: string, rest: string): GgufSpecification {
  const mark = rest.indexOf(adapterMark);
  if (mark < 0) return { provider: "gguf", file: rest };
  const [file, adapter] = [rest.slice(0, mark), rest.slice(mark + adapterMark.length)];
  if (file !== "" && adapter !== "") return { provider: "gguf", file, adapter };
  throw new KernelcastError("usage", `${text}: name both files: gguf:BASE.gguf?adapter=ADAPTER.gguf`);
}

function compatible(text: string, rest: string): ModelSpecification {
  // Model names may hold an @ of their own; the address begins at the last one that a URL follows.
  const match = /^(.+)@(https?:\/\/.+)$/i.exec(rest);
  const url = match?.[2] !== undefined && URL.canParse(match[2]) ? new URL(match[2]) : undefined;
  if (match?.[1] === undefined || !url) {
    throw new KernelcastError(
      "usage",
      `${withoutCredentials(text)}: give the server's address: openai-compatible:MODEL@http://HOST:PORT/v1`,
    );
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new KernelcastError(
      "usage",
      `the address of ${match[1]} holds a user, a key or a query; give the key as KERNELCAST_API_KEY in the environment`,
    );
  }
  return { provider: "openai-compatible", model: match[1], baseUrl: url.href.replace(/\/+$/, "") };
}

function unknown(text: string): KernelcastError {
  return new KernelcastError("usage", `unknown language model "${withoutCredentials(text)}"; models are ${modelForms}`);
}

function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//").replace(/\?.*$/, "");
}
