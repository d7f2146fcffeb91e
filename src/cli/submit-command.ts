import { KernelcastError } from "../domain/index.ts";
import { isSettled, type SubmissionDocument } from "../serve/submit/submission-document.ts";
import { submit } from "../serve/submit/submit.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { readSubmitted } from "./read-submitted.ts";

export interface SubmitFlags {
  readonly idea?: string;
  readonly ideas?: string;
  readonly parent?: string;
  readonly launch: readonly string[];
  readonly launches?: string;
  readonly compileOption: readonly string[];
  readonly partial: boolean;
  readonly wait: boolean;
  readonly timeout?: number;
  readonly done: boolean;
  readonly workspace: string;
  readonly json: boolean;
}

/** `kernelcast submit`. */
export async function submitKernels(this: CliContext, flags: SubmitFlags, ...words: string[]): Promise<void> {
  const [runId = "", ...files] = words;
  checkFlags(flags, files);
  const result = await submit({
    workspace: flags.workspace,
    runId,
    kernels: await readSubmitted(files, { ...flags, from: this.process.cwd() }),
    last: flags.done,
    partial: flags.partial,
    wait: flags.wait,
    timeoutSeconds: flags.timeout,
    signal: this.signal,
    onAcknowledge: (candidates) => {
      if (flags.wait) for (const { name, kernel_id: id } of candidates) note(this, `${name}: kept as candidate ${id}`);
    },
  });
  if (flags.json) printJson(this, result);
  else for (const candidate of result.candidates) printLine(this, describe(candidate));
  for (const { name, error } of result.refused ?? []) note(this, `${name} was refused: ${error}`);
  if (flags.done && !flags.json) printLine(this, `run ${runId} ends when it has dealt with what it was handed`);
  const unanswered = result.candidates.some(
    (one) => one.status === "not-considered" || (flags.wait && !isSettled(one)),
  );
  if (unanswered || (result.refused?.length ?? 0) > 0) this.process.exitCode = 1;
}

function checkFlags(
  { done, idea, ideas, launch, launches, parent, timeout, wait }: SubmitFlags,
  files: readonly string[],
): void {
  const fault =
    files.length === 0 && !done
      ? "name at least one CUDA source after the run, or give --done"
      : launch.length > 0 && launches !== undefined
        ? "--launch and --launches are two ways to say the same; give one of them"
        : timeout !== undefined && !wait
          ? "--timeout limits --wait; give both"
          : ideas !== undefined && (idea !== undefined || parent !== undefined)
            ? "--ideas tells the idea and the parent of each file; leave --idea and --parent out"
            : undefined;
  if (fault !== undefined) throw new KernelcastError("usage", fault);
}

/** One line of what became of a kernel. */
function describe(candidate: SubmissionDocument): string {
  const { name, kernel_id: id, status, forecast, decision, measurement, duplicate_of: of } = candidate;
  const parts = [
    status,
    ...(of === undefined ? [] : [`of ${of}`]),
    ...(forecast ? [`forecast ${forecast.runtime_us.p50.toFixed(1)} µs, p_ok ${forecast.p_ok.toFixed(2)}`] : []),
    ...(decision && status === "skipped" ? [decision.reason] : []),
    ...(measurement?.runtime_us === undefined
      ? []
      : [`${measurement.runtime_us.toFixed(1)} µs, ${measurement.speedup?.toFixed(2) ?? "?"}x the seed's speed`]),
    ...(measurement?.error === undefined ? [] : [`${measurement.status}: ${measurement.error}`]),
  ];
  return `${name}: candidate ${id}, ${parts.join("; ")}`;
}
