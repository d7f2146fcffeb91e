import { KernelcastError, type Proposer, type Recording, type Task } from "../domain/index.ts";
import { recordedProposer } from "../propose/recorded-proposer.ts";
import { learningTunablesProposer } from "../propose/learning-tunables-proposer.ts";
import { tunablesProposer } from "../propose/tunables-proposer.ts";
import { parseModelSpecification, type LanguageModels } from "../language-model/index.ts";
import { modelKinds, namesModel, proposerCountedByCalls, splitModel } from "./language-models.ts";
import { batchOf } from "./open-external.ts";
import { parseSpecification } from "./specification.ts";

const proposerKinds: readonly string[] = ["recorded", "tunables", "external", ...modelKinds];

/** What proposes when the user names nothing: the recording's kernels, else the task's own parameter space. */
export function defaultProposer(task: Task, recording: Recording | undefined): string {
  if (recording) return "recorded";
  if (task.tunables) return "tunables";
  throw new KernelcastError(
    "usage",
    `task ${task.taskId} declares no tunables, so nothing proposes kernels for a live device: add tunables to its task.yaml, or name a --proposer (${proposerKinds.join(", ")})`,
  );
}

/** Whether a proposer's kernels are its own, so that a recording cannot be expected to know them. */
export function writesKernels(text: string | undefined): boolean {
  return text !== undefined && !/^(recorded|tunables)(:|$)/.test(text);
}

/** Throws `KernelcastError("usage", …)` for a proposer that there is not. */
export function checkProposer(text: string): void {
  const { kind } = parseSpecification("proposer", text, proposerKinds);
  if (kind === "external") batchOf(text);
  if (kind === "tunables") learnsSpace(text);
  if (!namesModel(text)) return;
  const { kind: provider, detail } = splitModel("proposer", text);
  const isAdapted = provider === "gguf" && /^[^?]+\?adapter=[^&?]+$/.test(detail);
  if (detail.includes("?") && !isAdapted) {
    const why = "a proposer takes no options after a question mark but the adapter of a gguf: model; --forecaster does";
    throw new KernelcastError("usage", `--proposer ${text}: ${why}`);
  }
  parseModelSpecification(text);
}

/** Whether `tunables:learn` is meant, or the random order of `tunables`; throws for any other detail. */
function learnsSpace(text: string): boolean {
  const { detail } = parseSpecification("proposer", text, proposerKinds);
  if (detail === "learn") return true;
  if (detail === "") return false;
  throw new KernelcastError("usage", `--proposer ${text}: tunables takes no detail but learn (tunables:learn)`);
}

/** Opens a language model as a proposer; the calls tell what it costs. */
export async function openModelProposer(text: string, models: LanguageModels): Promise<Proposer> {
  const { createLlmProposer } = await import("../propose/llm/llm-proposer.ts");
  return proposerCountedByCalls(createLlmProposer(await models.open(text)));
}

/**
 * Opens a proposer of a recording or of tunables for a task; `deviceName`, of a recorded device, limits either to what that
 * device has measured.
 */
export function openProposer(
  text: string,
  task: Task,
  recording: Recording | undefined,
  deviceName: string | undefined,
): Proposer {
  const { kind } = parseSpecification("proposer", text, proposerKinds);
  if (kind === "tunables") {
    const open = learnsSpace(text) ? learningTunablesProposer : tunablesProposer;
    if (!recording || deviceName === undefined) return open(task);
    // A recorded device answers for what it has measured, and for nothing else.
    const measured = recording.measurements(task.taskId, deviceName);
    const kernels = recording.kernels(task.taskId).map(({ kernel }) => kernel);
    return open(task, { kernels: kernels.filter(({ kernelId }) => measured.has(kernelId)) });
  }
  if (!recording)
    throw new KernelcastError(
      "usage",
      "--proposer recorded needs a recording: --device recorded:PATH or --proposer-recording PATH",
    );
  return recordedProposer(recording, task.taskId, deviceName === undefined ? {} : { device: deviceName });
}
