import { KernelcastError } from "../domain/index.ts";
import type { ModelSpecification } from "./specification.ts";

/** Where each provider's key is read from: the environment, and nowhere else. */
const keyNames = {
  openai: "OPENAI_API_KEY",
  anthropic: "ANTHROPIC_API_KEY",
  google: "GOOGLE_GENERATIVE_AI_API_KEY",
  "openai-compatible": "KERNELCAST_API_KEY",
} as const;

/** Where a gateway in front of a hosted provider is named, by the provider's own convention. */
const addressNames = {
  openai: "OPENAI_BASE_URL",
  anthropic: "ANTHROPIC_BASE_URL",
  google: "GOOGLE_GENERATIVE_AI_BASE_URL",
} as const;

export type Environment = Readonly<Record<string, string | undefined>>;

export type RemoteProvider = keyof typeof keyNames;

export function keyName(provider: RemoteProvider): string {
  return keyNames[provider];
}

/** The address of a gateway to a hosted provider, version path included; undefined: the provider's own. */
export function gatewayAddress(provider: RemoteProvider, environment: Environment): string | undefined {
  return provider === "openai-compatible" ? undefined : environment[addressNames[provider]]?.trim() || undefined;
}

/** The provider's key. Servers of one's own need none; a hosted provider without one throws `KernelcastError("model", …)`. */
export function readKey({ provider }: ModelSpecification, environment: Environment): string | undefined {
  if (provider === "gguf") return undefined;
  const key = environment[keyNames[provider]]?.trim();
  if (key) return key;
  if (provider === "openai-compatible") return undefined;
  throw new KernelcastError("model", `${provider} needs a key: set ${keyNames[provider]} in the environment`);
}

/** Text of a server on one short line, without the key or what looks like one. */
export function redact(text: string, key: string | undefined): string {
  const line = text
    .replaceAll(/\p{Cc}/gu, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
  const named = key === undefined ? line : line.replaceAll(key, "[key]");
  return named
    .replaceAll(/\bBearer\s+\S+/gi, "Bearer [key]")
    .replaceAll(/\b(?:sk|pk|rk|key)-[\w*.-]{4,}/gi, "[key]")
    .replaceAll(/\bAIza[\w-]{8,}/g, "[key]")
    .slice(0, 240);
}
