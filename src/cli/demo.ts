import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { DemoFlags } from "./demo-command.ts";

export const demoCommand: Command<CliContext> = buildCommand<DemoFlags, [], CliContext>({
  loader: async () => (await import("./demo-command.ts")).demo,
  parameters: {
    flags: {
      workspace: { kind: "parsed", parse: text, brief: "Folder for the run and its report", default: ".kernelcast" },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Run a real search on recorded H100 measurements; needs no GPU and no key",
    fullDescription:
      "Searches a task whose kernels the forecaster has never seen, on the recorded device.\n\nExample: kernelcast demo",
  },
});
