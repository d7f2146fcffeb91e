import pc from "picocolors";
import type { CliProcess, TextSink } from "./context.ts";

/**
 * Colours for one stream: on a terminal only, whatever the rest of the process writes to, so that files and pipes hold plain
 * text even where `CI` is set. `NO_COLOR` and `FORCE_COLOR` (https://no-color.org, https://force-color.org) overrule.
 */
export function coloursFor({ env }: Pick<CliProcess, "env">, sink: TextSink): ReturnType<typeof pc.createColors> {
  if (env["NO_COLOR"]) return pc.createColors(false);
  if (env["FORCE_COLOR"]) return pc.createColors(env["FORCE_COLOR"] !== "0");
  return pc.createColors(sink.isTTY === true && env["TERM"] !== "dumb");
}
