import { lstatSync, mkdirSync } from "node:fs";
import { userInfo, tmpdir } from "node:os";
import { join } from "node:path";
import { KernelcastError } from "../domain/index.ts";
import { bootstrapWorker } from "./bootstrap.ts";
import { quoteWord } from "../process/shell-words.ts";
import type { WorkerCommand } from "./worker-life.ts";
import type { WorkerPackage } from "./worker-package.ts";

/**
 * The worker on another machine through the system's ssh; the machine needs Python and a driver, nothing else. Keys, ports,
 * user names and jump hosts come from the user's ssh configuration. Throws `KernelcastError("usage", …)` for a host that
 * ssh would take for an option.
 */
export function sshWorker(
  host: string,
  pack: WorkerPackage,
  python: string,
  workerArgs: readonly string[],
  env: NodeJS.ProcessEnv,
): WorkerCommand {
  const { words, preamble } = bootstrapWorker(pack, python, workerArgs);
  const argv = sshArgv(host, words.map(quoteWord).join(" "));
  return { argv, env, preamble, where: `ssh ${host}` };
}

/** The ssh command line that runs a shell command on a host without ever asking for a password. */
export function sshArgv(host: string, command: string): [string, ...string[]] {
  if (!/^[^\s-][^\s]*$/.test(host)) {
    throw new KernelcastError(
      "usage",
      `"ssh:${host}" names no host; write ssh:HOST with a host of your ssh configuration`,
    );
  }
  return ["ssh", "-T", ...options.flatMap((option) => ["-o", option]), ...shareConnection(), "--", host, command];
}

/** No terminal is there to ask a person; a dead link is noticed within a minute. */
const options = ["BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4"];

/** A restart or a second command reuses the connection, where a private folder for its socket can be had. */
function shareConnection(): string[] {
  const folder = join(tmpdir(), `kernelcast-ssh-${userInfo().uid}`);
  if (folder.length > longestSocketFolder || !makePrivate(folder)) return [];
  return ["-o", "ControlMaster=auto", "-o", `ControlPath=${folder}/%C`, "-o", "ControlPersist=60"];
}

/** A socket's path may have about 100 characters; ssh adds 58 of its own. */
const longestSocketFolder = 42;

/** True when the folder is ours alone: whoever can write there could take the connection over. */
function makePrivate(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const stat = lstatSync(folder);
    return stat.isDirectory() && stat.uid === userInfo().uid && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
