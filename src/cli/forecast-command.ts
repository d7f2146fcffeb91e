import { KernelcastError, rejectOnAbort } from "../domain/index.ts";
import type { SplitChoice } from "../evaluate/choose-tasks.ts";
import type { View } from "../evaluate/plan-view.ts";
import type { BatchFormat } from "../formats/batch-requests.ts";
import type { BatchFiles, BatchOutcome } from "../serve/forecast/batch.ts";
import { forecastRecording, type ForecastRecordingRequest } from "../serve/forecast/forecast-recording.ts";
import { forecastTask, type ForecastTaskRequest } from "../serve/forecast/forecast-task.ts";
import { coloursFor } from "./colours.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { batchLine, recordingDocument, recordingLines } from "./forecast-recording-result.ts";
import { forecastDocument, forecastLines } from "./forecast-result.ts";
import { listed } from "./listed.ts";

export interface ForecastFlags {
  readonly against?: string;
  readonly forecaster: string;
  readonly forecasterTimeout?: number;
  readonly tokens?: number;
  readonly usd?: number;
  readonly device: string;
  readonly anchor: readonly string[];
  readonly anchors?: string;
  readonly anchorCount: number;
  readonly compile: boolean;
  readonly launches?: string;
  readonly compileOption: readonly string[];
  readonly save?: string;
  readonly workspace: string;
  readonly python?: string;
  readonly batchOut?: string;
  readonly batchIn: readonly string[];
  readonly batchFormat?: BatchFormat;
  readonly recording?: string;
  readonly split?: SplitChoice;
  readonly tasks?: string;
  readonly perTask?: number;
  readonly view?: View;
  readonly evidence?: boolean;
  readonly seed?: number;
  readonly json: boolean;
}

/** `kernelcast forecast`. */
export async function forecast(this: CliContext, flags: ForecastFlags, ...words: string[]): Promise<void> {
  const work = flags.recording === undefined ? taskCandidates(this, flags, words) : wholeRecording(this, flags, words);
  await Promise.race([work, rejectOnAbort(this.signal, "interrupted")]);
}

async function taskCandidates(context: CliContext, flags: ForecastFlags, words: readonly string[]): Promise<void> {
  const [task, ...candidates] = words;
  const stray = (["split", "tasks", "perTask", "view", "evidence", "seed"] as const).find(
    (name) => flags[name] !== undefined,
  );
  if (stray !== undefined) {
    const flag = stray === "perTask" ? "per-task" : stray;
    throw new KernelcastError("usage", `--${flag} is for the kernels of a recording; name one with --recording`);
  }
  if (task === undefined || candidates.length === 0) {
    throw new KernelcastError(
      "usage",
      "name a task and candidates, or --recording; kernelcast forecast --help shows how",
    );
  }
  const request: ForecastTaskRequest = {
    ...taskFlags(flags),
    task,
    candidates,
    batch: batchFiles(flags),
    cwd: context.process.cwd(),
    env: { ...context.process.env },
    signal: context.signal,
    onNote: (line) => note(context, line),
  };
  const result = await forecastTask(request);
  if (flags.json) printJson(context, forecastDocument(result));
  else
    for (const line of forecastLines(result, coloursFor(context.process, context.process.stdout)))
      printLine(context, line);
  finish(context, flags, result.batch, result.candidates.length);
}

function taskFlags(flags: ForecastFlags) {
  const { against, forecaster, forecasterTimeout, device, anchor, anchors, anchorCount, compile, launches } = flags;
  const { compileOption: compileOptions, save, workspace, python } = flags;
  const places = { save, workspace, python, launches };
  return {
    against,
    forecaster,
    forecasterTimeout,
    budget: { tokens: flags.tokens, usd: flags.usd },
    device,
    anchor,
    anchors,
    anchorCount,
    compile,
    compileOptions,
    ...places,
  };
}

function batchFiles({ batchOut, batchIn, batchFormat }: ForecastFlags): BatchFiles | undefined {
  if (batchOut === undefined && batchIn.length === 0) {
    if (batchFormat === undefined) return undefined;
    throw new KernelcastError("usage", "--batch-format goes with --batch-out or --batch-in");
  }
  return { out: batchOut, in: batchIn, format: batchFormat };
}

/** What is told last; without any forecast the command failed, unless the prompts are out. */
function finish(context: CliContext, { save }: ForecastFlags, batch: BatchOutcome | undefined, made: number): void {
  for (const line of batch ? [...batch.notes, batchLine(batch)] : []) note(context, line);
  if (save !== undefined && made > 0) note(context, `forecasts saved in ${save}`);
  if (made === 0 && batch?.out === undefined) context.process.exitCode = 1;
}

/** The device of a recording is named by itself; the default is the one that measured most. */
function deviceOf({ device }: ForecastFlags): string | undefined {
  return device === "recorded:atlas" ? undefined : device;
}

async function wholeRecording(context: CliContext, flags: ForecastFlags, words: readonly string[]): Promise<void> {
  const result = await forecastRecording(recordingRequest(context, flags, words));
  if (flags.json) printJson(context, recordingDocument(result));
  else for (const line of recordingLines(result)) printLine(context, line);
  finish(context, flags, result.batch, result.forecasts.length);
}

function recordingRequest(
  context: CliContext,
  flags: ForecastFlags,
  words: readonly string[],
): ForecastRecordingRequest {
  const [stray] = words;
  if (stray !== undefined) {
    throw new KernelcastError("usage", `${stray}: --recording takes no candidates; --tasks names tasks of it`);
  }
  const { recording = "", split, perTask, forecaster, forecasterTimeout, save } = flags;
  const { view = "start", evidence = true, seed = 1 } = flags;
  const batch = batchFiles(flags);
  if (save === undefined && batch?.out === undefined) {
    throw new KernelcastError("usage", "--recording: say where the forecasts go with --save FILE.jsonl");
  }
  const chosen = {
    recording,
    split,
    tasks: listed(flags.tasks),
    device: deviceOf(flags),
    view,
    evidence,
    perTask,
    seed,
  };
  const { process, signal } = context;
  const where = { cwd: process.cwd(), env: { ...process.env }, signal };
  const spending = { budget: { tokens: flags.tokens, usd: flags.usd }, workspace: flags.workspace };
  return { ...chosen, forecaster, forecasterTimeout, save, batch, ...spending, ...where };
}
