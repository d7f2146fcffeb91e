import { resolve } from "node:path";
import type { SplitChoice } from "../evaluate/choose-tasks.ts";
import type { AnsweredBy } from "../evaluate/answered-by.ts";
import { evaluationDocuments, evaluationNotes } from "../evaluate/evaluation-document.ts";
import type { SourceForm } from "../evaluate/sources.ts";
import type { View } from "../evaluate/plan-view.ts";
import { evaluateRecording } from "../serve/evaluate-recording.ts";
import { makeOutputFolder } from "./output-folder.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { evaluationLines } from "./evaluate-result.ts";
import { listed } from "./listed.ts";

export interface EvaluateFlags {
  readonly forecaster: readonly string[];
  readonly recording: string;
  readonly split?: SplitChoice;
  readonly tasks?: string;
  readonly device?: string;
  readonly view: View;
  readonly evidence: boolean;
  readonly perTask?: number;
  readonly answered?: AnsweredBy;
  readonly sources: SourceForm;
  readonly seed: number;
  readonly tokens?: number;
  readonly usd?: number;
  readonly gpuUsdPerHour?: number;
  readonly workspace: string;
  readonly out?: string;
  readonly json: boolean;
}

/** `kernelcast evaluate`. */
export async function evaluate(this: CliContext, flags: EvaluateFlags): Promise<void> {
  const { forecaster, recording, split, device, view, evidence, sources, perTask, answered, seed, workspace } = flags;
  const out = flags.out === undefined ? undefined : resolve(this.process.cwd(), flags.out);
  if (out !== undefined) makeOutputFolder(out);
  const progress = createProgress(this);
  try {
    const result = await evaluateRecording({
      forecasters: forecaster,
      recording,
      split,
      tasks: listed(flags.tasks),
      device,
      view,
      evidence,
      sources,
      perTask,
      answered,
      seed,
      budget: { tokens: flags.tokens, usd: flags.usd },
      workspace,
      gpuUsdPerHour: flags.gpuUsdPerHour,
      env: { ...this.process.env },
      signal: this.signal,
      onTask: progress.show,
    });
    progress.close();
    const documents = evaluationDocuments(result);
    const document = documents.length === 1 ? documents[0] : documents;
    if (flags.json) printJson(this, document);
    else for (const line of evaluationLines(result)) printLine(this, line);
    const notes = [
      ...result.setting.notes,
      ...result.evaluations.filter(({ isBaseline }) => !isBaseline).flatMap(evaluationNotes),
    ];
    for (const line of new Set(notes)) note(this, line);
    if (out === undefined) return;
    const { writeEvaluation } = await import("../report/evaluation/write-evaluation.ts");
    note(this, `wrote ${writeEvaluation(out, result, document)}`);
  } finally {
    progress.close();
  }
}

interface Progress {
  readonly show: (label: string, taskId: string, done: number, all: number) => void;
  readonly close: () => void;
}

/** Milliseconds between two quiet lines. */
const quietEvery = 30_000;

/** A live line on a terminal; elsewhere a line now and then of an evaluation that takes its time. */
export function createProgress({ process: { stderr } }: CliContext): Progress {
  let open = false;
  let told = performance.now();
  const clear = "\r\u001b[K";
  return {
    show: (label, taskId, done, all) => {
      const line = `${label}: ${taskId} (${done + 1} of ${all})`;
      if (stderr.isTTY) stderr.write(`${clear}${line.slice(0, (stderr.columns ?? 80) - 1)}`);
      else if (performance.now() - told > quietEvery) {
        told = performance.now();
        stderr.write(`${line}\n`);
      }
      open = Boolean(stderr.isTTY);
    },
    close: () => {
      if (open) stderr.write(clear);
      open = false;
    },
  };
}
