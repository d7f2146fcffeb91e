import type { LanguageModelV3GenerateResult } from "@ai-sdk/provider";
import type { TokenChoice } from "../domain/index.ts";
import type { Correspondent } from "./faults.ts";
import { keyName, type RemoteProvider } from "./keys.ts";
import type { Provider } from "./provider.ts";
import { createSdkProvider, type SdkDialect } from "./sdk-provider.ts";
import type { ModelSpecification } from "./specification.ts";

type RemoteSpecification = Exclude<ModelSpecification, { provider: "gguf" }>;

/** Opens a provider; its package is loaded now, and no other's. */
export async function openProvider(specification: RemoteSpecification, key: string | undefined): Promise<Provider> {
  const correspondent: Correspondent = {
    name: specification.provider === "openai-compatible" ? specification.baseUrl : specification.provider,
    model: specification.model,
    keyName: keyName(specification.provider),
    key,
  };
  return createSdkProvider(await dialects[specification.provider](specification, key ?? ""), correspondent);
}

const dialects: Readonly<
  Record<RemoteProvider, (specification: RemoteSpecification, key: string) => Promise<SdkDialect>>
> = {
  openai: async ({ model }, apiKey) => {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return {
      model: createOpenAI({ apiKey }).chat(model),
      options: ({ logprobs }) => ({ openai: logprobs === undefined ? {} : { logprobs } }),
      firstToken: (result) => topChoices(openaiLogprobs(result)),
    };
  },
  anthropic: async ({ model }, apiKey) => {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return {
      model: createAnthropic({ apiKey })(model),
      options: () => ({}),
      systemOptions: { anthropic: { cacheControl: { type: "ephemeral" } } },
    };
  },
  google: async ({ model }, apiKey) => {
    const { createGoogleGenerativeAI } = await import("@ai-sdk/google");
    return { model: createGoogleGenerativeAI({ apiKey })(model), options: () => ({}) };
  },
  "openai-compatible": async (specification, apiKey) => {
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    const baseURL = "baseUrl" in specification ? specification.baseUrl : "";
    const open = createOpenAICompatible({
      baseURL,
      name: "compatible",
      ...(apiKey && { apiKey }),
      supportsStructuredOutputs: true,
    });
    return {
      model: open.chatModel(specification.model),
      // Names that the SDK does not know go into the body as they are.
      options: ({ logprobs }) => ({
        compatible: logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs },
      }),
      firstToken: (result) => topChoices(bodyLogprobs(result)),
    };
  },
};

interface TokenLogprobs {
  readonly token?: unknown;
  readonly logprob?: unknown;
  readonly top_logprobs?: readonly { readonly token?: unknown; readonly logprob?: unknown }[] | null;
}

function openaiLogprobs(result: LanguageModelV3GenerateResult): TokenLogprobs | undefined {
  return (result.providerMetadata?.["openai"]?.["logprobs"] as readonly TokenLogprobs[] | undefined)?.[0];
}

interface CompatibleBody {
  readonly choices?: readonly { readonly logprobs?: { readonly content?: readonly TokenLogprobs[] | null } | null }[];
}

function bodyLogprobs(result: LanguageModelV3GenerateResult): TokenLogprobs | undefined {
  return (result.response?.body as CompatibleBody | undefined)?.choices?.[0]?.logprobs?.content?.[0];
}

function topChoices(first: TokenLogprobs | undefined): readonly TokenChoice[] | undefined {
  if (!first) return undefined;
  const listed = first.top_logprobs?.length ? first.top_logprobs : [first];
  const choices = listed.flatMap(({ token, logprob }) =>
    typeof token === "string" && typeof logprob === "number" ? [{ token, logprob }] : [],
  );
  return choices.length > 0 ? choices : undefined;
}
