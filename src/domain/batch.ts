import type { GenerateRequest, GenerationFault, TokenChoice, TokenUsage } from "./language-model.ts";

/** A prompt that is answered elsewhere and later; the id is a hash of it. */
export interface BatchRequest {
  readonly customId: string;
  readonly request: GenerateRequest;
}

/** What came back for a prompt of a batch. */
export type BatchAnswer =
  | { readonly text: string; readonly usage: TokenUsage; readonly firstToken?: readonly TokenChoice[] }
  | { readonly fault: GenerationFault; readonly message: string; readonly usage: TokenUsage };
