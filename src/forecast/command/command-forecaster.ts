import {
  KernelcastError,
  type Forecast,
  type ForecastAnswer,
  type ForecastCost,
  type Forecaster,
  type ForecastRequest,
} from "../../domain/index.ts";
import { printable } from "../../process/last-words.ts";
import { splitWords } from "../../process/shell-words.ts";
import {
  answerSchema,
  describeFault,
  forecasterProtocol,
  helloSchema,
  refusalSchema,
  wireContext,
  wireEvidence,
  wireKernel,
  type Answer,
} from "./messages.ts";
import { Session } from "./session.ts";

export interface CommandForecasterOptions {
  /** The program's words as a shell would read them: `python3 my.py`. */
  readonly command: string;
  /** How long one answer may take; 120 by default. */
  readonly limitSeconds?: number;
  readonly env?: NodeJS.ProcessEnv;
}

const defaultLimitSeconds = 120;
/** Candidates of one request where the program does not say how many it takes. */
const defaultBatch = 32;

/**
 * Starts a program that answers forecasts (docs/reference/forecaster-protocol.md) and greets it. A program that fails is
 * started anew by the next request. Rejects with `KernelcastError("model", …)`, or `"usage"` for an unfinished command.
 */
export async function openCommandForecaster(
  options: CommandForecasterOptions,
  signal?: AbortSignal,
): Promise<Forecaster> {
  const [program, ...rest] = splitWords(options.command);
  if (program === undefined) {
    throw new KernelcastError("usage", "command: needs a program, for example --forecaster command:'python3 my.py'");
  }
  const forecaster = new CommandForecaster([program, ...rest], options);
  await forecaster.greet(signal);
  return forecaster;
}

class CommandForecaster implements Forecaster {
  private readonly argv: readonly [string, ...string[]];
  private readonly options: CommandForecasterOptions;
  private session: Session | undefined;
  private known = "";
  private batch = defaultBatch;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(argv: readonly [string, ...string[]], options: CommandForecasterOptions) {
    this.argv = argv;
    this.options = options;
  }

  get name(): string {
    return this.known;
  }

  async greet(signal?: AbortSignal): Promise<Session> {
    const { command, env, limitSeconds = defaultLimitSeconds } = this.options;
    const where = `command:${command}`;
    const session = new Session({ argv: this.argv, where, limitMs: 1000 * limitSeconds, ...(env ? { env } : {}) });
    this.session = session;
    const answer = helloSchema.safeParse(await session.ask({ hello: { protocol: forecasterProtocol } }, signal));
    if (!answer.success) throw session.refuse(`answered hello wrongly: ${describeFault(answer.error.issues[0])}`);
    this.known = answer.data.name ?? where;
    this.batch = answer.data.batch ?? defaultBatch;
    return session;
  }

  forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
    const answer = this.turn.then(() => this.forecastAll(request, signal));
    this.turn = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    await this.session?.close();
  }

  private async forecastAll(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
    signal?.throwIfAborted();
    const wires = new Map<string, object>();
    for (const kernel of request.candidates) {
      const wire = wireKernel(kernel, request.task);
      if (wire) wires.set(kernel.kernelId, wire);
    }
    const context = wireContext(request);
    const ids = [...wires.keys()];
    const answers: ForecastAnswer[] = [];
    for (let start = 0; start < ids.length; start += this.batch) {
      const asked = ids.slice(start, start + this.batch);
      const first = await this.askFor(asked, wires, context, request, signal);
      answers.push(first);
      const found = new Set(first.forecasts.map(({ kernelId }) => kernelId));
      const missing = asked.filter((id) => !found.has(id));
      if (missing.length > 0) answers.push(await this.askFor(missing, wires, context, request, signal));
    }
    return { forecasts: answers.flatMap(({ forecasts }) => forecasts), cost: sum(answers.map(({ cost }) => cost)) };
  }

  private async askFor(
    ids: readonly string[],
    wires: ReadonlyMap<string, object>,
    context: object,
    { evidence }: ForecastRequest,
    signal?: AbortSignal,
  ): Promise<ForecastAnswer> {
    const session = this.session?.isOver() === false ? this.session : await this.greet(signal);
    const known = ids.flatMap((id) => {
      const found = evidence?.get(id);
      return found ? [[id, wireEvidence(found)] as const] : [];
    });
    const started = performance.now();
    const candidates = ids.map((id) => wires.get(id));
    const said = known.length > 0 ? { evidence: Object.fromEntries(known) } : {};
    const message = await session.ask({ ...context, candidates, ...said }, signal);
    const answer = readAnswer(message, new Set(ids), session);
    const seconds = (performance.now() - started) / 1000;
    const { cpu_seconds: cpuSeconds = seconds, tokens = 0, usd = 0 } = answer.cost ?? {};
    return { forecasts: answer.forecasts, cost: { cpuSeconds, tokens, usd } };
  }
}

/** The checked answer. Throws one line, and the program is ended: what it says next belongs to nothing. */
function readAnswer(message: unknown, asked: ReadonlySet<string>, session: Session): Answer {
  const refusal = refusalSchema.safeParse(message);
  if (refusal.success) throw session.refuse(`could not forecast: ${printable(refusal.data.error).slice(0, 300)}`);
  const answer = answerSchema.safeParse(message);
  if (!answer.success) throw session.refuse(`gave a wrong answer: ${describeFault(answer.error.issues[0])}`);
  const strange = strangeForecast(answer.data.forecasts, asked);
  if (strange !== undefined) throw session.refuse(`gave a wrong answer: ${strange}`);
  return answer.data;
}

function strangeForecast(forecasts: readonly Forecast[], asked: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  for (const { kernelId } of forecasts) {
    if (!asked.has(kernelId)) return `it forecasts "${printable(kernelId).slice(0, 80)}", which was not asked`;
    if (seen.has(kernelId)) return `it forecasts ${kernelId} twice`;
    seen.add(kernelId);
  }
  return undefined;
}

function sum(costs: readonly ForecastCost[]): ForecastCost {
  const total = (part: (cost: ForecastCost) => number): number => costs.reduce((all, cost) => all + part(cost), 0);
  return {
    cpuSeconds: total(({ cpuSeconds }) => cpuSeconds),
    tokens: total(({ tokens }) => tokens),
    usd: total(({ usd }) => usd),
  };
}
