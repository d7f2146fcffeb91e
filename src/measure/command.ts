import { KernelcastError } from "../domain/index.ts";
import { bootstrapWorker } from "./bootstrap.ts";
import { splitWords } from "../process/shell-words.ts";
import type { WorkerCommand } from "./worker-life.ts";
import type { WorkerPackage } from "./worker-package.ts";

/**
 * The worker behind any launcher that passes standard input and output on (`srun --gres=gpu:1`, `kubectl exec -i POD --`,
 * `docker run -i --gpus all IMAGE`): the launcher's words, then Python with the bootstrap. Throws
 * `KernelcastError("usage", …)` for an empty or unfinished command.
 */
export function commandWorker(
  launcher: string,
  pack: WorkerPackage,
  python: string,
  workerArgs: readonly string[],
  env: NodeJS.ProcessEnv,
): WorkerCommand {
  const [program, ...rest] = splitWords(launcher);
  if (program === undefined) {
    throw new KernelcastError("usage", "command: needs a launcher, for example command:'srun --gres=gpu:1'");
  }
  const { words, preamble } = bootstrapWorker(pack, python, workerArgs);
  return { argv: [program, ...rest, ...words], env, preamble, where: program };
}
