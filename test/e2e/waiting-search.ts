import { runCli, startCli, type CliResult, type CliRun } from "./run-cli.ts";

/** A search that waits for candidates. */
export interface Waiting extends CliRun {
  readonly workspace: string;
}

const settings = "--forecaster static --trust live --run mine --json".split(" ");

/** Starts a search that waits, as the run `mine`, and returns when it does. */
export async function waitingSearchOf(name: string, workspace: string, ...more: string[]): Promise<Waiting> {
  const proposer = more.includes("--proposer") ? [] : ["--proposer", "external"];
  const run = startCli(["search", name, ...settings, ...proposer, "--workspace", workspace, ...more]);
  let stderr = "";
  run.child.stderr?.on("data", (text) => (stderr += String(text)));
  let ended = false;
  void run.result.then(() => (ended = true));
  while (!ended && !stderr.includes("run mine waits for candidates: kernelcast submit mine"))
    await new Promise((resolve) => setTimeout(resolve, 10));
  if (ended) throw new Error(`the search did not wait: ${stderr}`);
  return { ...run, workspace };
}

export const submitTo = (workspace: string, ...more: string[]): Promise<CliResult> =>
  runCli(["submit", "mine", "--workspace", workspace, "--json", ...more]);

/** What `submit --json` answers. */
export interface Answer {
  readonly candidates: readonly {
    readonly submission: number;
    readonly name: string;
    readonly kernel_id: string;
    readonly status: string;
    readonly measurement?: { readonly runtime_us: number };
  }[];
}

export const parseAnswer = ({ stdout }: CliResult): Answer => JSON.parse(stdout) as Answer;
