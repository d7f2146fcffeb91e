import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import { gpuPriceFlag } from "./flags.ts";
import type { DoctorFlags } from "./doctor-command.ts";

export const doctorCommand: Command<CliContext> = buildCommand<DoctorFlags, [], CliContext>({
  loader: async () => (await import("./doctor-command.ts")).doctor,
  parameters: {
    flags: {
      device: { kind: "parsed", parse: text, brief: "local[:INDEX], ssh:HOST or command:LAUNCHER", default: "local" },
      python: {
        kind: "parsed",
        parse: text,
        brief: "Python on the machine of the GPU (default python3)",
        optional: true,
      },
      workspace: { kind: "parsed", parse: text, brief: "Folder for runs and reports", default: "." },
      forecaster: {
        kind: "parsed",
        parse: text,
        optional: true,
        brief: "Also tell whether this forecaster is worth asking: its cost against that of the measurements it spares",
      },
      gpuUsdPerHour: gpuPriceFlag,
      quick: { kind: "boolean", brief: "Leave out the device's controls", default: false, withNegated: false },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Say what a device is missing",
    fullDescription:
      "Looks at everything that measuring needs, from Node.js here to the controls on the device, and says how to mend what is missing. Exit code 0: the device can be used. Flags of the worker itself, such as --nvrtc PATH, go into KERNELCAST_WORKER_ARGS.\n\nExample: kernelcast doctor --device ssh:box\nExample: kernelcast doctor --forecaster openai:MODEL --gpu-usd-per-hour 2.5 --workspace .kernelcast",
  },
});
