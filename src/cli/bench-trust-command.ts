import { powerCurves, trustCareers, trustFigures } from "../evaluate/trust/trust-study.ts";
import { printJson, printLine, type CliContext } from "./context.ts";
import { benchTrustLines } from "./bench-trust-result.ts";
import { createProgress } from "./evaluate-command.ts";

export interface BenchTrustFlags {
  readonly histories: number;
  readonly curves: boolean;
  readonly recording?: string;
  readonly forecaster: string;
  readonly json: boolean;
}

/** How many there are, for whoever waits. */
const simulations = { usual: 11, withCurves: 17 } as const;

/** Histories of each kind of surrogate that are followed through the levels: what they show is no figure to hold. */
const mostCareers = 500;

/** `kernelcast bench trust`. */
export async function benchTrustCommand(this: CliContext, flags: BenchTrustFlags): Promise<void> {
  const progress = createProgress(this);
  try {
    let done = 0;
    const onProgress = (what: string): void =>
      progress.show("simulating", what, done++, flags.curves ? simulations.withCurves : simulations.usual);
    const { histories, recording, forecaster } = flags;
    const options = { histories, signal: this.signal, onProgress };
    const figures = trustFigures(options);
    const fewer = { ...options, histories: Math.min(mostCareers, histories) };
    const careers = trustCareers(fewer);
    const curves = flags.curves ? powerCurves(fewer) : undefined;
    const recorded = recording === undefined ? undefined : await studyRecording(this, { recording, forecaster });
    progress.close();
    const document = {
      ...figures,
      histories,
      careers,
      ...(curves ? { power_curves: curves } : {}),
      ...(recorded ? { recorded } : {}),
    };
    if (flags.json) printJson(this, document);
    else for (const line of benchTrustLines(document)) printLine(this, line);
  } finally {
    progress.close();
  }
}

async function studyRecording(context: CliContext, asked: { readonly recording: string; readonly forecaster: string }) {
  const { trustOnRecording } = await import("../serve/trust/trust-on-recording.ts");
  return trustOnRecording({ ...asked, signal: context.signal });
}
