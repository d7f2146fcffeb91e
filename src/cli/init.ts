import { buildCommand, type Command } from "@stricli/core";
import { jsonFlag, text, type CliContext } from "./context.ts";
import type { InitFlags } from "./init-command.ts";

const optionalText = { kind: "parsed", parse: text, optional: true } as const;
const repeated = { kind: "parsed", parse: text, variadic: true, default: [] } as const;

export const initCommand: Command<CliContext> = buildCommand<InitFlags, [string], CliContext>({
  loader: async () => (await import("./init-command.ts")).init,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "CUDA source with the kernel to make faster", parse: text, placeholder: "file.cu" }],
    },
    flags: {
      size: { ...repeated, brief: "A size, as n=1048576" },
      kernel: { ...repeated, brief: "A kernel to launch, in launch order; needed when the file has several" },
      grid: { ...repeated, brief: 'Grid of each launch in order, as "ceil_div(n, 256), 1"' },
      block: { ...repeated, brief: "Block of each launch in order, as 256 or 16,16" },
      smem: { ...repeated, brief: "Dynamic shared memory of each launch in bytes (default 0)" },
      role: { ...repeated, brief: "What a pointer is for, as out=inout: in, out, inout or scratch" },
      shape: { ...repeated, brief: "Shape of a pointer's array, as x=n,m" },
      dtype: { ...repeated, brief: "Element type of a pointer, as x=f32, where its declaration does not tell" },
      draw: {
        ...repeated,
        brief: "How an input is drawn, as x=normal:0:1, uniform:LOW:HIGH, integers:LOW:HIGH, constant:V",
      },
      scalar: { ...repeated, brief: "Value of a scalar parameter that is no size, as alpha=1.5" },
      reference: { ...optionalText, brief: "Python file that defines reference(inputs, sizes)" },
      id: { ...optionalText, brief: "Id of the task (default: from the file's name)" },
      out: { ...optionalText, brief: "Folder to make (default tasks/ID)" },
      title: { ...optionalText, brief: "Title of the task" },
      family: { ...optionalText, brief: "Kind of computation, as reduction or softmax (default custom)" },
      description: { ...optionalText, brief: "What is computed, in one or two sentences" },
      flops: { ...optionalText, brief: "Operations needed, as 2*n*m; a multiply-add counts as two" },
      bytesMin: {
        ...optionalText,
        brief: "Fewest bytes through memory (default: inputs read and outputs written once)",
      },
      tolerance: { ...optionalText, brief: "exact, or rtol=1e-4,atol=1e-5[,max_fraction=0.01]" },
      precision: { ...repeated, brief: "Arithmetic that the tolerance permits: f64 f32 tf32 f16 bf16 i8" },
      device: { ...optionalText, brief: "Check the seed there: local[:INDEX], ssh:HOST or command:LAUNCHER" },
      python: { ...optionalText, brief: "Python on the machine of the GPU (default python3)" },
      force: { kind: "boolean", brief: "Replace the files of an existing task", default: false, withNegated: false },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Make a task from a CUDA kernel",
    fullDescription:
      "Reads the kernel's signature, asks for what it does not say (on a terminal) or takes it from flags, and writes a task folder. Exit code 1: the folder is written but its reference.py must be completed, or the seed failed.\n\nExample: kernelcast init axpy.cu --size n=16777216 --role y=inout --grid 'ceil_div(n, 256)' --block 256 --reference axpy.py --device local",
  },
});
