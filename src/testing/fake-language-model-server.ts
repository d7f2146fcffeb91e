import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { probeSystem } from "../language-model/probe.ts";
import {
  completionBody,
  completionStream,
  exampleOf,
  fakeTokens,
  readChatRequest,
  type FakeChatAnswer,
  type FakeChatRequest,
  type WireRequest,
} from "./fake-chat.ts";

export interface FakeLanguageModelServerOptions {
  /** How each request is answered; by default with the smallest value of its schema, else with "ok". */
  readonly answer?: (request: FakeChatRequest) => FakeChatAnswer | Promise<FakeChatAnswer>;
  /** Time that every answer takes; 0 by default. */
  readonly latencyMs?: number;
  /** Models that it serves; by default any name. */
  readonly models?: readonly string[];
  /** Key that it wants; by default none. */
  readonly key?: string;
  /** Prompt and answer together may have so many tokens, four characters each; by default any number. */
  readonly contextTokens?: number;
  /** US dollars for a million tokens, told in its list of models; by default it tells none. */
  readonly price?: { readonly inputUsd: number; readonly outputUsd: number };
  /** False: answers probes as a server that knows no schemas. True by default. */
  readonly schemas?: boolean;
  /** Alternatives that it gives at most, 0 for none; 20 by default. A request for more is an error, as with vLLM. */
  readonly logprobs?: number;
  readonly port?: number;
}

export interface FakeLanguageModelServer {
  /** Ends in /v1. */
  readonly url: string;
  /** For kernelcast: `openai-compatible:MODEL@URL`. */
  specification(model?: string): string;
  /** What was asked so far, probes left out, refused requests included. */
  readonly requests: readonly FakeChatRequest[];
  /** Probes of what the server can do, so far. */
  readonly probes: number;
  /** The most requests that it ever worked on at once. */
  readonly mostAtOnce: number;
  close(): Promise<void>;
}

/**
 * Starts a language model server without a model: real HTTP on the loopback address, OpenAI-compatible chat completions with
 * schemas and logprobs, and on demand latency, errors, 429 with retry-after, cut bodies and streams, and nonsense.
 *
 * ```ts
 * const server = await startFakeLanguageModelServer({ answer: ({ prompt }) => (prompt.includes("slow") ? "900" : "12") });
 * const model = await createLanguageModels().open(server.specification());
 * await model.generate({ purpose: "forecast", system: "Answer in µs.", prompt: "a slow kernel", maxTokens: 8 });
 * await server.close();
 * ```
 */
export async function startFakeLanguageModelServer(
  options: FakeLanguageModelServerOptions = {},
): Promise<FakeLanguageModelServer> {
  const state: State = { requests: [], probes: 0, working: 0, mostAtOnce: 0 };
  const server = createServer((request, response) => {
    handle(request, response, options, state).catch(() => response.destroy());
  });
  await listen(server, options.port ?? 0);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    url,
    specification: (model = options.models?.[0] ?? "fake") => `openai-compatible:${model}@${url}`,
    requests: state.requests,
    get probes() {
      return state.probes;
    },
    get mostAtOnce() {
      return state.mostAtOnce;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface State {
  readonly requests: FakeChatRequest[];
  probes: number;
  working: number;
  mostAtOnce: number;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  options: FakeLanguageModelServerOptions,
  state: State,
): Promise<void> {
  const body = await readBody(request);
  if (options.key !== undefined && request.headers.authorization !== `Bearer ${options.key}`) {
    // Real servers repeat the key that was wrong; so does this one, for tests of what becomes of it.
    const given = request.headers.authorization?.replace(/^Bearer /, "") ?? "none";
    sendError(response, { status: 401, message: `Incorrect API key provided: ${given}`, code: "invalid_api_key" });
    return;
  }
  if (request.method === "GET" && request.url === "/v1/models") {
    sendJson(response, 200, modelList(options));
    return;
  }
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
    sendError(response, { status: 404, message: "no such path" });
    return;
  }
  const chat = readChatRequest(JSON.parse(body) as WireRequest, state.requests.length);
  state.mostAtOnce = Math.max(state.mostAtOnce, ++state.working);
  try {
    await answerChat(response, chat, options, state);
  } finally {
    state.working--;
  }
}

async function answerChat(
  response: ServerResponse,
  chat: FakeChatRequest,
  options: FakeLanguageModelServerOptions,
  state: State,
): Promise<void> {
  const probe = chat.system === probeSystem;
  if (probe) state.probes++;
  else state.requests.push(chat);
  const { latencyMs = 0, answer = defaultAnswer } = options;
  if (latencyMs > 0) await sleep(latencyMs);
  const given = refusalOf(chat, options) ?? (probe ? probeAnswer(chat, options) : await answer(chat));
  send(response, chat, given);
}

/** What the server refuses before anyone answers. */
function refusalOf(
  { model, system, prompt, maxTokens = 0, logprobs }: FakeChatRequest,
  { models, contextTokens = Infinity, logprobs: most = 20 }: FakeLanguageModelServerOptions,
): FakeChatAnswer | undefined {
  if (models && !models.includes(model)) {
    return { status: 404, message: `The model \`${model}\` does not exist`, code: "model_not_found" };
  }
  const tokens = fakeTokens(system + prompt) + maxTokens;
  if (tokens > contextTokens) {
    const message = `This model's maximum context length is ${contextTokens} tokens. However, you requested ${tokens} tokens`;
    return { status: 400, message, code: "context_length_exceeded" };
  }
  if (logprobs !== undefined && logprobs > most) {
    return { status: 400, message: `Requested sample logprobs of ${logprobs}, which is greater than ${most}` };
  }
  return undefined;
}

function defaultAnswer({ schema }: FakeChatRequest): FakeChatAnswer {
  return schema ? JSON.stringify(exampleOf(schema)) : "ok";
}

function probeAnswer(
  { schema, logprobs = 0 }: FakeChatRequest,
  options: FakeLanguageModelServerOptions,
): FakeChatAnswer {
  if (schema) return options.schemas === false ? "Hello!" : JSON.stringify(exampleOf(schema));
  const firstToken = Array.from({ length: logprobs }, (_, place) => ({ token: `t${place}`, logprob: -1 - place }));
  return { text: "t0", firstToken };
}

function modelList({ models = ["fake"], contextTokens, price }: FakeLanguageModelServerOptions): object {
  const context = contextTokens === undefined ? {} : { max_model_len: contextTokens };
  const perToken = (usd: number): string => String(usd / 1e6);
  const pricing = price && { prompt: perToken(price.inputUsd), completion: perToken(price.outputUsd) };
  const rest = { ...context, ...(pricing && { pricing }) };
  return { object: "list", data: models.map((id) => ({ id, object: "model", ...rest })) };
}

function send(response: ServerResponse, chat: FakeChatRequest, given: FakeChatAnswer): void {
  const answer = typeof given === "string" ? { text: given } : given;
  if ("status" in answer) return sendError(response, answer);
  if ("nonsense" in answer) {
    response.writeHead(200, { "content-type": "text/html" }).end(answer.nonsense);
    return;
  }
  const body = chat.stream ? completionStream(chat, answer) : JSON.stringify(completionBody(chat, answer));
  response.writeHead(200, { "content-type": chat.stream ? "text/event-stream" : "application/json" });
  if (!("cutAfter" in answer)) {
    response.end(body);
    return;
  }
  response.write(body.slice(0, answer.cutAfter), () => response.destroy());
}

interface FakeError {
  readonly status: number;
  readonly message?: string;
  readonly code?: string;
  readonly retryAfterSeconds?: number;
}

function sendError(response: ServerResponse, { status, message = "error", code, retryAfterSeconds }: FakeError): void {
  if (retryAfterSeconds !== undefined) response.setHeader("retry-after", String(retryAfterSeconds));
  sendJson(response, status, { error: { message, type: "error", code: code ?? null } });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
