import type { GenerateRequest, TokenChoice } from "../domain/index.ts";
import type { BilledUsage } from "./cost.ts";
import type { RequestFault } from "./faults.ts";

export interface ProviderAnswer {
  readonly kind: "answer";
  readonly text: string;
  readonly usage: BilledUsage;
  readonly firstToken?: readonly TokenChoice[];
}

/** What is sent: a request held to what the model can. */
export interface ProviderRequest extends GenerateRequest {
  /** The answer's allowance and, for models that think, the thoughts'. */
  readonly maxOutputTokens: number;
}

/** One model behind one provider; sends a request once. */
export interface Provider {
  /** A fault is a value; rejects only when the signal aborts. */
  send(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer | RequestFault>;
  close?(): Promise<void>;
}
