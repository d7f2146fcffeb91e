import { searchTask } from "../serve/search-task.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { createProgress } from "./progress.ts";
import { formatResult } from "./search-result.ts";

export interface DemoFlags {
  readonly workspace: string;
  readonly json: boolean;
}

/** The demo's task is of a family that the shipped forecaster was not trained on. */
const demoTask = "attention-f16";
const demoMeasurements = 24;

/** `kernelcast demo`. */
export async function demo(this: CliContext, flags: DemoFlags): Promise<void> {
  note(
    this,
    `Searching ${demoTask} on the recorded H100: the static forecaster picks ${demoMeasurements} kernels to measure, of a family that it was not trained on.`,
  );
  const progress = createProgress(this);
  try {
    const result = await searchTask({
      task: demoTask,
      device: "recorded:atlas",
      policy: "top-k",
      forecaster: "static",
      trust: "auto",
      budget: { measurements: demoMeasurements },
      seed: 1,
      fresh: true,
      workspace: flags.workspace,
      signal: this.signal,
      listener: progress.listener,
    });
    progress.close();
    if (flags.json) printJson(this, result);
    else for (const line of formatResult(result)) printLine(this, line);
  } finally {
    progress.close();
  }
}
