import { buildCommand, buildRouteMap, type RouteMap } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { ImportKernelTunerFlags } from "./import-kernel-tuner-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;

const kernelTunerCommand = buildCommand<ImportKernelTunerFlags, string[], CliContext>({
  loader: async () => (await import("./import-kernel-tuner-command.ts")).importKernelTuner,
  parameters: {
    positional: {
      kind: "array",
      minimum: 1,
      parameter: {
        brief: "Cache files, or results in the T4 format; .json or .json.gz",
        parse: text,
        placeholder: "file",
      },
    },
    flags: {
      out: { kind: "parsed", parse: text, brief: "Folder to write the recording to" },
      source: {
        kind: "parsed",
        parse: text,
        variadic: true,
        default: [],
        brief: "Source of a kernel; of several, that which names it is taken",
      },
      launches: {
        ...optionalText,
        brief: "YAML file with the launches, over the parameters and problem_size_x, _y, _z",
      },
      task: { ...optionalText, brief: "Id of the task (default: the kernel's name)" },
      device: { ...optionalText, brief: "Name of the device, for files that do not tell (default: the file's name)" },
      runtime: {
        kind: "enum",
        values: ["median", "tuner"],
        default: "median",
        brief: "What a kernel's runtime is: the median of its samples, or the tuner's own figure, a mean",
      },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Make a recording of what Kernel Tuner has measured",
    fullDescription:
      "Each configuration becomes a kernel, its parameters compile options; failures become statuses. A cache that a stopped tuner left open is read, too. What the files do not tell is said in a line each.\n\nExample: kernelcast import kernel-tuner A100.json.gz A4000.json.gz --source convolution.cu --out convolution",
  },
});

export const importRoutes: RouteMap<CliContext> = buildRouteMap<"kernel-tuner", CliContext>({
  routes: { "kernel-tuner": kernelTunerCommand },
  docs: { brief: "Make recordings of other tools' results" },
});
