import { rejectOnAbort } from "../domain/index.ts";
import { forecastTask, type ForecastTaskRequest } from "../serve/forecast/forecast-task.ts";
import { coloursFor } from "./colours.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { forecastDocument, forecastLines } from "./forecast-result.ts";

export interface ForecastFlags {
  readonly against?: string;
  readonly forecaster: string;
  readonly forecasterTimeout?: number;
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
  readonly json: boolean;
}

/** `kernelcast forecast`. */
export async function forecast(this: CliContext, flags: ForecastFlags, ...words: string[]): Promise<void> {
  const [task = "", ...candidates] = words;
  const { compileOption, json, ...rest } = flags;
  const request: ForecastTaskRequest = {
    ...rest,
    task,
    candidates,
    compileOptions: compileOption,
    cwd: this.process.cwd(),
    env: { ...this.process.env },
    signal: this.signal,
    onNote: (line) => note(this, line),
  };
  const result = await Promise.race([forecastTask(request), rejectOnAbort(this.signal, "interrupted")]);
  if (json) printJson(this, forecastDocument(result));
  else for (const line of forecastLines(result, coloursFor(this.process, this.process.stdout))) printLine(this, line);
  if (flags.save !== undefined) note(this, `forecasts saved in ${flags.save}`);
  if (result.candidates.length === 0) this.process.exitCode = 1;
}
