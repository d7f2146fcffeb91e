import type { LanguageModelV3GenerateResult } from "@ai-sdk/provider";
import type { TokenChoice } from "../domain/index.ts";
import type { Correspondent } from "./faults.ts";
import { gatewayAddress, keyName, type Environment, type RemoteProvider } from "./keys.ts";
import type { Provider } from "./provider.ts";
import { createSdkProvider, type SdkDialect } from "./sdk-provider.ts";
import type { ModelSpecification } from "./specification.ts";

type RemoteSpecification = Exclude<ModelSpecification, { provider: "gguf" }>;

/** Opens a provider; its package is loaded now, and no other's. */
export async function openProvider(
  specification: RemoteSpecification,
  key: string | undefined,
  environment: Environment,
): Promise<Provider> {
  const { provider, model } = specification;
  const gateway = gatewayAddress(provider, environment);
  const correspondent: Correspondent = {
    name: provider === "openai-compatible" ? specification.baseUrl : provider,
    model,
    keyName: keyName(provider),
    key,
  };
  const access = { apiKey: key ?? "", ...(gateway !== undefined && { baseURL: gateway }) };
  return createSdkProvider(await dialects[provider](specification, access), correspondent);
}

interface Access {
  readonly apiKey: string;
  readonly baseURL?: string;
}

const dialects: Readonly<
  Record<RemoteProvider, (specification: RemoteSpecification, access: Access) => Promise<SdkDialect>>
> = {
  openai: async ({ model }, access) => {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return {
      model: createOpenAI(access).chat(model),
      options: ({ logprobs }) => ({ openai: logprobs === undefined ? {} : { logprobs } }),
      firstToken: (result) => topChoices(openaiLogprobs(result)),
    };
  },
  anthropic: async ({ model }, access) => {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return {
      model: createAnthropic(access)(model),
      options: () => ({}),
      systemOptions: { anthropic: { cacheControl: { type: "ephemeral" } } },
    };
  },
  google: async ({ model }, access) => {
    const { createGoogleGenerativeAI } = await import("@ai-sdk/google");
    return { model: createGoogleGenerativeAI(access)(model), options: () => ({}) };
  },
  "openai-compatible": async (specification, { apiKey }) => {
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
