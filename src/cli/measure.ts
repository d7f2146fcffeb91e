import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, type CliContext } from "./context.ts";

export const measureCommand: Command<CliContext> = buildCommand<{ readonly json: boolean }, [], CliContext>({
  func() {
    throw new Error("not built yet");
  },
  parameters: { flags: { json: jsonFlag } },
  docs: { brief: "(being built)" },
});
