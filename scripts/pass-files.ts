import { readWorkerRun, type WorkerRun } from "../src/formats/worker-responses.ts";

/** A token of `parseArgs`. */
interface Token {
  readonly kind: string;
  readonly name?: string;
  readonly value?: string | undefined;
}

/** Options of `parseArgs` that name worker output by its pass. */
export const passOptions = {
  pass1: { type: "string", multiple: true },
  pass2: { type: "string", multiple: true },
  pass3: { type: "string", multiple: true },
} as const;

/** Reads the worker output that `--pass1 A B --pass2 C` names: a flag takes the files after it. */
export async function readPassFiles(tokens: readonly Token[]): Promise<WorkerRun[]> {
  const runs: WorkerRun[] = [];
  let pass = 1;
  for (const { kind, name, value } of tokens) {
    if (kind === "option" && name !== undefined && name in passOptions) pass = Number(name.slice("pass".length));
    else if (kind !== "positional") continue;
    if (value !== undefined) runs.push(await readWorkerRun(value, pass));
  }
  return runs;
}
