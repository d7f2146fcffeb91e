import { delimiter } from "node:path";
import type { WorkerCommand } from "./worker-life.ts";
import { pythonFolder } from "./worker-package.ts";

/** The worker on this machine, straight from the package's own folder. */
export function localWorker(python: string, workerArgs: readonly string[], env: NodeJS.ProcessEnv): WorkerCommand {
  const path = env["PYTHONPATH"];
  return {
    argv: [python, "-m", "kernelcast_worker", ...workerArgs],
    cwd: pythonFolder,
    env: { ...env, PYTHONPATH: path ? pythonFolder + delimiter + path : pythonFolder },
    where: python,
  };
}
