import { spawn } from "node:child_process";
import { once } from "node:events";

/** A share of the tasks, as `--part` says it: `1/2` is the first half. */
export function taskPart<T>(tasks: readonly T[], part: string): T[] {
  const [place, parts] = part.split("/").map(Number) as [number, number];
  return tasks.filter((_, index) => index % parts === place - 1);
}

/** Runs this script again in several processes at once, each with a part of the tasks. Throws where one fails. */
export async function runInParts(jobs: number): Promise<void> {
  const children = Array.from({ length: jobs }, (_, index) =>
    spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), "--part", `${index + 1}/${jobs}`], {
      stdio: ["ignore", "inherit", "inherit"],
    }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as number | null));
  if (codes.some((code) => code !== 0)) throw new Error("a part failed; run the command again to go on");
}
