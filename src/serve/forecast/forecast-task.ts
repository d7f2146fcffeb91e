import { resolve } from "node:path";
import { expectedLog2Us } from "../../decide/policies.ts";
import {
  toQuantilesUs,
  type Forecast,
  type ForecastAnswer,
  type ForecastFailure,
  type Forecaster,
  type ForecastReason,
  type ForecastRequest,
  type Kernel,
  type RuntimeQuantiles,
  type Task,
} from "../../domain/index.ts";
import { requireForecastFile, saveForecasts } from "../../formats/forecast-table.ts";
import { openModelSession, type ModelBudget, type ModelSession } from "../language-models.ts";
import { checkForecaster, openForecaster } from "../open-forecaster.ts";
import { openTask, requireTask, taskIdOf } from "../open-task.ts";
import { chooseAgainst, referenceOf, type Against } from "./against.ts";
import { chooseAnchors, microseconds, type AnchorChoice, type NamedAnchor } from "./anchors.ts";
import { checkBatch, openBatch, type BatchFiles, type BatchOutcome } from "./batch.ts";
import { probabilityOfWin, referenceUs, speedupQuantiles, type Reference } from "./compare.ts";
import { compileKernels, type Compiled, type CompileOptions } from "./compile.ts";
import { openForecastDevice, type ForecastDevice } from "./device.ts";
import { recordedForecasts } from "./forecast-recording.ts";
import { kernelReader, readCandidates, type NamedKernel, type ReadingChoice } from "./kernels.ts";

/** What a user asks of `kernelcast forecast`. */
export interface ForecastTaskRequest extends ReadingChoice, Pick<AnchorChoice, "workspace"> {
  /** Task folder or id. */
  readonly task: string;
  /** `.cu` files, folders of them, or tables of kernels. */
  readonly candidates: readonly string[];
  readonly device: string;
  readonly forecaster: string;
  readonly forecasterTimeout?: number | undefined;
  /** Limits of what a language model may spend. */
  readonly budget?: ModelBudget | undefined;
  /** `seed`, `best`, a file, or the id of a measured kernel; by default the seed, else the fastest anchor. */
  readonly against?: string | undefined;
  readonly anchors?: string | undefined;
  readonly anchor: readonly string[];
  readonly anchorCount: number;
  /** Whether a compiler is asked first. */
  readonly compile: boolean;
  /** File to save the forecasts in. */
  readonly save?: string | undefined;
  /** Files instead of calls, for a language model. */
  readonly batch?: BatchFiles | undefined;
  readonly python?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly onNote?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** One candidate, in rank order. */
export interface ForecastCandidate extends NamedKernel {
  readonly forecast: Forecast;
  readonly runtimeUs: RuntimeQuantiles;
  readonly speedup: RuntimeQuantiles;
  /** P(ok and more than 2 % faster than what it is compared with). */
  readonly winProbability: number;
  readonly reasons: readonly ForecastReason[];
}

export interface ForecastTaskResult {
  readonly task: Task;
  readonly device: string;
  readonly forecaster: string;
  readonly anchors: readonly NamedAnchor[];
  readonly against: NamedKernel & { readonly reference: Reference };
  /** Where the compiler was; undefined where none was asked. */
  readonly compiler: string | undefined;
  /** Best first: by expected log runtime when a failure counts as four times that of the reference. */
  readonly candidates: readonly ForecastCandidate[];
  /** Candidates that do not compile, with the compiler's line. */
  readonly broken: readonly (NamedKernel & { readonly error: string })[];
  /** Candidates that the forecaster said nothing of. */
  readonly unforecast: readonly NamedKernel[];
  readonly failures: readonly ForecastFailure[];
  /** What was wrong with answers on the way: how often, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly batch: BatchOutcome | undefined;
  readonly canExplain: boolean;
  readonly cost: ForecastAnswer["cost"] & { readonly compileCpuSeconds: number; readonly wallSeconds: number };
}

/** Ranks candidates of a task for a device by forecast. Nothing is measured. Rejects with `KernelcastError`. */
export async function forecastTask(request: ForecastTaskRequest): Promise<ForecastTaskResult> {
  if (request.batch) checkBatch(request.forecaster, request.batch, request.cwd);
  else checkForecaster(request.forecaster);
  if (request.save !== undefined) requireForecastFile(request.save);
  requireTask(request.task);
  const { python, env, onNote } = request;
  const device = await openForecastDevice(request.device, taskIdOf(request.task), {
    python,
    ...(env ? { env } : {}),
    ...(onNote ? { onNote } : {}),
  });
  try {
    const task = await openTask(request.task, taskKnown(device, taskIdOf(request.task)));
    return await forecastOn(device, task, request);
  } finally {
    await device.live?.close();
  }
}

/** A recording that lacks the task has nothing to say of it. */
function taskKnown({ recording }: ForecastDevice, taskId: string): ForecastDevice["recording"] {
  return recording?.tasks.has(taskId) ? recording : undefined;
}

async function forecastOn(
  device: ForecastDevice,
  task: Task,
  request: ForecastTaskRequest,
): Promise<ForecastTaskResult> {
  const started = performance.now();
  const read = await readKernels(device, task, request);
  const { candidates, anchors, against } = read;
  const asked = against.us === undefined ? [...candidates, against] : candidates;
  const compiled = request.compile ? await compileAll(device, task, asked, request) : undefined;
  const errors: ReadonlyMap<string, string> = compiled?.errors ?? new Map();
  const question = {
    task,
    device: device.info,
    anchors: anchors.map(({ anchor }) => anchor),
    candidates: uniqueKernels(asked.map(({ kernel }) => kernel).filter(({ kernelId }) => !errors.has(kernelId))),
    ...(compiled ? { evidence: compiled.evidence } : {}),
  };
  const { made, ...told } = await forecastAll(question, read, request);
  const wallSeconds = (performance.now() - started) / 1000;
  return {
    task,
    device: device.info.name,
    anchors,
    compiler: compiled?.where,
    ...told,
    ...rank(candidates, made, told.against.reference, errors),
    cost: { ...made.answer.cost, compileCpuSeconds: compiled?.cpuSeconds ?? 0, wallSeconds },
  };
}

type Told = Pick<ForecastTaskResult, "forecaster" | "against" | "batch" | "canExplain"> & { readonly made: Made };

/** Opens the forecaster, asks it, keeps what it said where that is wanted, and closes it. */
async function forecastAll(
  question: ForecastRequest,
  { against, anchors }: ReadKernels,
  request: ForecastTaskRequest,
): Promise<Told> {
  const files = request.batch && (await openBatch(request.forecaster, request.batch, request.cwd));
  const session = files ? undefined : await openModelSession([request.forecaster], request);
  const forecaster = files?.forecaster ?? (await openOne(request, session));
  try {
    const made = await ask(forecaster, question, request.signal);
    const batch = await files?.finish();
    const compared = batch && batch.pending > 0 ? measuredOr(against, anchors, made.answer) : against;
    if (request.save !== undefined) {
      const rows = recordedForecasts(forecaster.name, question, made.answer);
      await saveForecasts(resolve(request.cwd, request.save), rows);
    }
    const canExplain = forecaster.explain !== undefined;
    return { forecaster: forecaster.name, against: compareWith(compared, made), batch, canExplain, made };
  } finally {
    await forecaster.close?.();
    session?.close();
  }
}

function compareWith(against: Against, { answer }: Made): ForecastTaskResult["against"] {
  return { name: against.name, kernel: against.kernel, reference: referenceOf(against, answer) };
}

async function openOne(
  { forecaster, forecasterTimeout: limitSeconds, env, signal }: ForecastTaskRequest,
  session: ModelSession | undefined,
): Promise<Forecaster> {
  return openForecaster(forecaster, { limitSeconds, signal, models: session?.models, ...(env ? { env } : {}) });
}

/** While a batch is under way there may be no forecast of what candidates are compared with: then the fastest anchor stands in. */
function measuredOr(against: Against, [fastest]: readonly NamedAnchor[], { forecasts }: ForecastAnswer): Against {
  const isKnown = against.us !== undefined || forecasts.some(({ kernelId }) => kernelId === against.kernel.kernelId);
  if (isKnown || !fastest) return against;
  return { name: fastest.name, kernel: fastest.anchor.kernel, us: microseconds(fastest) };
}

interface ReadKernels {
  readonly candidates: readonly NamedKernel[];
  readonly anchors: readonly NamedAnchor[];
  readonly against: Against;
}

async function readKernels(device: ForecastDevice, task: Task, request: ForecastTaskRequest): Promise<ReadKernels> {
  const reader = await kernelReader(task, request);
  const candidates = await readCandidates(request.candidates, reader);
  const choice: AnchorChoice = {
    given: request.anchor,
    source: request.anchors,
    workspace: request.workspace,
    count: request.anchorCount,
    candidateIds: new Set(candidates.map(({ kernel }) => kernel.kernelId)),
  };
  const anchors = await chooseAnchors(choice, device, reader);
  for (const line of notes(candidates, anchors, task)) request.onNote?.(line);
  return { candidates, anchors, against: await chooseAgainst(request.against, anchors, device, reader) };
}

/** What makes forecasts worse than they need be. */
function notes(candidates: readonly NamedKernel[], anchors: readonly NamedAnchor[], task: Task): string[] {
  const seedKnown = anchors.some(({ anchor }) => anchor.kernel.kernelId === task.seedKernel.kernelId);
  const [fastest] = anchors;
  const lines = seedKnown
    ? []
    : [
        `the seed's time is not known, so forecasts go by ${fastest?.name ?? "another kernel"}; --anchor seed=TIMEus tells it`,
      ];
  const strange = candidates.flatMap(({ name, kernel: { source, launches } }) => {
    const absent = launches.find((launch) => !source.includes(launch.kernel));
    return absent
      ? [`${name} has no kernel ${absent.kernel}, which its launches name; give its own in a .launches.yaml`]
      : [];
  });
  return [...lines, ...strange];
}

function uniqueKernels(kernels: readonly Kernel[]): Kernel[] {
  return [...new Map(kernels.map((kernel) => [kernel.kernelId, kernel])).values()];
}

async function compileAll(
  device: ForecastDevice,
  task: Task,
  asked: readonly NamedKernel[],
  { python, env, onNote, signal }: ForecastTaskRequest,
): Promise<Compiled> {
  const options: CompileOptions = { python, signal, ...(env ? { env } : {}), ...(onNote ? { onNote } : {}) };
  return compileKernels(
    device,
    task,
    asked.map(({ kernel }) => kernel),
    options,
  );
}

/** What was answered, with the reasons where the forecaster can tell them. */
interface Made {
  readonly answer: ForecastAnswer;
  readonly reasons: ReadonlyMap<string, readonly ForecastReason[]>;
}

async function ask(forecaster: Forecaster, request: ForecastRequest, signal: AbortSignal | undefined): Promise<Made> {
  const answer = await forecaster.forecast(request, signal);
  const reasons = (await forecaster.explain?.(request, signal)) ?? new Map<string, readonly ForecastReason[]>();
  return { answer, reasons };
}

type Ranked = Pick<ForecastTaskResult, "candidates" | "broken" | "unforecast" | "failures" | "faults">;

function rank(
  named: readonly NamedKernel[],
  { answer, reasons }: Made,
  reference: Reference,
  errors: ReadonlyMap<string, string>,
): Ranked {
  const byId = new Map(answer.forecasts.map((forecast) => [forecast.kernelId, forecast]));
  const candidates = named.flatMap(({ name, kernel }): ForecastCandidate[] => {
    const forecast = byId.get(kernel.kernelId);
    if (!forecast) return [];
    return [
      {
        name,
        kernel,
        forecast,
        runtimeUs: toQuantilesUs(forecast),
        speedup: speedupQuantiles(forecast, reference),
        winProbability: probabilityOfWin(forecast, reference),
        reasons: reasons.get(kernel.kernelId) ?? [],
      },
    ];
  });
  const score = ({ forecast }: ForecastCandidate): number => expectedLog2Us(forecast, referenceUs(reference));
  return {
    failures: answer.failures ?? [],
    faults: answer.faults ?? {},
    candidates: candidates.sort((a, b) => score(a) - score(b)),
    broken: named.flatMap((one) => {
      const error = errors.get(one.kernel.kernelId);
      return error === undefined ? [] : [{ ...one, error }];
    }),
    unforecast: named.filter(({ kernel: { kernelId } }) => !byId.has(kernelId) && !errors.has(kernelId)),
  };
}
