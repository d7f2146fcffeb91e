import { APICallError } from "@ai-sdk/provider";
import type { GenerationFault, LanguageModelLimit } from "../domain/index.ts";
import { noUsage, type BilledUsage } from "./cost.ts";
import { redact } from "./keys.ts";

/** A request that brought no answer. */
export interface RequestFault {
  readonly kind: "fault";
  readonly fault: GenerationFault;
  /** One line, without a key. */
  readonly message: string;
  /** How often a request with such a fault is sent in all; 1: sending it again would not help. */
  readonly sends: number;
  readonly retryAfterSeconds?: number;
  /** No connection came about: what one call tried in vain, the next need not try as long. */
  readonly noConnection?: true;
  /** Undefined where the provider may have charged for what it did not deliver. */
  readonly usage: BilledUsage | undefined;
  /** With the fault `budget`. */
  readonly limit?: LanguageModelLimit;
}

/** Whom a message speaks of. */
export interface Correspondent {
  /** "openai", or the server's address. */
  readonly name: string;
  readonly model: string;
  readonly keyName: string;
  readonly key: string | undefined;
}

type Judgement = Pick<RequestFault, "fault" | "message" | "sends"> & Partial<RequestFault>;

/** Reads an error of the AI SDK. Its own text holds requests and headers, and is never passed on as it is. */
export function readFault(error: unknown, correspondent: Correspondent): RequestFault {
  const judged = APICallError.isInstance(error) ? judgeCall(error, correspondent) : judgeOther(error, correspondent);
  return { kind: "fault", usage: noUsage, ...judged };
}

function judgeCall(error: APICallError, to: Correspondent): Judgement {
  const status = error.statusCode;
  if (status === undefined || causeCode(error) !== undefined) return judgeConnection(error, to);
  if (status < 400) return judgeBody(error, to);
  const said = redact(serverMessage(error), to.key);
  const text = `${said} ${error.responseBody?.slice(0, 2000) ?? ""}`;
  const known = judgeRefusal(status, text, said, to) ?? judgeStatus(status, text, said, to);
  const retryAfterSeconds = retryAfter(error.responseHeaders);
  return retryAfterSeconds === undefined ? known : { ...known, retryAfterSeconds };
}

/** Refusals that a status alone does not tell apart. */
function judgeRefusal(status: number, text: string, said: string, to: Correspondent): Judgement | undefined {
  if (status >= 500 || status === 429) return undefined;
  if (
    /context.?length|context.?window|context size|prompt is too long|too many tokens|maximum.{0,40}tokens/i.test(text)
  ) {
    return { fault: "context", sends: 1, message: `the prompt is too long for ${to.model} at ${to.name}: ${said}` };
  }
  if (/api.?key.{0,20}(invalid|not valid|expired)|invalid.{0,9}api.?key/i.test(text)) return wrongKey(status, to);
  if (/content.?(policy|filter|management)|safety|moderation/i.test(text)) {
    return { fault: "refused", sends: 1, message: `${to.name} refused the prompt: ${said}` };
  }
  if (
    /model.{0,80}(not.?found|does not exist|not exist|unknown|not supported|invalid)|(unknown|invalid) model/i.test(
      text,
    )
  ) {
    return unknownModel(to);
  }
  return undefined;
}

function judgeStatus(status: number, text: string, said: string, to: Correspondent): Judgement {
  if (status === 401 || status === 403) return wrongKey(status, to);
  if (status === 404) return unknownModel(to);
  if (status === 413) {
    return { fault: "context", sends: 1, message: `the prompt is too long for ${to.model} at ${to.name}: ${said}` };
  }
  if (status === 402 || (status === 429 && /quota|billing|credit/i.test(text))) {
    return { fault: "rate", sends: 1, message: `the account at ${to.name} has no quota or credit left: ${said}` };
  }
  if (status === 429) {
    return { fault: "rate", sends: 6, message: `${to.name} limits the rate of calls; lower the concurrency: ${said}` };
  }
  if (status === 408 || status === 409 || status >= 500) {
    return { fault: "unreachable", sends: 4, message: `${to.name} answers ${status}: ${said}` };
  }
  return { fault: "other", sends: 1, message: `${to.name} refuses the call (${status}): ${said}` };
}

function wrongKey(status: number, to: Correspondent): Judgement {
  const message =
    to.key === undefined
      ? `${to.name} wants a key: set ${to.keyName} in the environment`
      : `${to.name} refuses the key in ${to.keyName} (${status}); check that it is whole, current and allowed ${to.model}`;
  return { fault: "key", sends: 1, message };
}

function unknownModel(to: Correspondent): Judgement {
  const address = to.name.startsWith("http") ? ", or its address is wrong (does it end in /v1?)" : "";
  return { fault: "model", sends: 1, message: `${to.name} knows no model "${to.model}"${address}` };
}

const hosts: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be looked up",
  EHOSTUNREACH: "no way to the host",
  ENETUNREACH: "no network",
  ETIMEDOUT: "no connection in time",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
};

function judgeConnection(error: unknown, to: Correspondent): Judgement {
  const code = causeCode(error);
  const why =
    code === undefined ? undefined : (hosts[code] ?? (/CERT|TLS|SSL/.test(code) ? `TLS: ${code}` : undefined));
  if (why !== undefined) {
    return { fault: "unreachable", sends: 4, message: `${to.name} cannot be reached: ${why}`, noConnection: true };
  }
  return {
    fault: "cut",
    sends: 2,
    message: `${to.name} closed the connection before its answer was whole`,
    usage: undefined,
  };
}

/** A success whose body is no answer: half of one, or another page. */
function judgeBody(error: APICallError, to: Correspondent): Judgement {
  const body = error.responseBody?.trimStart() ?? "";
  if (body.startsWith("{") && !isJson(body)) {
    return { fault: "cut", sends: 2, message: `the answer of ${to.name} ends in the middle`, usage: undefined };
  }
  const start = redact(body.slice(0, 4000), to.key).slice(0, 80);
  const message = `${to.name} answers what is no chat completion${start ? `: ${start}` : ""}; is the address right?`;
  return { fault: "other", sends: 2, message, usage: undefined };
}

function judgeOther(error: unknown, to: Correspondent): Judgement {
  if (causeCode(error) !== undefined) return judgeConnection(error, to);
  const said = redact(error instanceof Error ? error.message : String(error), to.key);
  return { fault: "other", sends: 2, message: `${to.name} gave no usable answer: ${said}`, usage: undefined };
}

function serverMessage(error: APICallError): string {
  const body = parse(error.responseBody);
  const inner = member(body, "error") ?? body;
  const said = typeof inner === "string" ? inner : (member(inner, "message") ?? member(body, "detail"));
  return typeof said === "string" ? said : error.message;
}

/** Seconds that a provider asks to wait, by either header. */
function retryAfter(headers: Readonly<Record<string, string>> | undefined): number | undefined {
  const milliseconds = Number(headers?.["retry-after-ms"] ?? Number.NaN);
  if (Number.isFinite(milliseconds)) return Math.max(0, milliseconds / 1000);
  const value = headers?.["retry-after"];
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

function causeCode(error: unknown): string | undefined {
  for (let cause = error, depth = 0; depth < 5; cause = member(cause, "cause"), depth++) {
    const code = member(cause, "code");
    if (typeof code === "string") return code;
    const [first] = (member(cause, "errors") as readonly unknown[] | undefined) ?? [];
    const firstCode = member(first, "code");
    if (typeof firstCode === "string") return firstCode;
  }
  return undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  return parse(text) !== undefined;
}
