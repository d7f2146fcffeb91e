import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileFault, integerDefines, KernelcastError, makeKernel, sha256Hex, type Task } from "../domain/index.ts";
import { readOwnLaunches } from "../formats/own-launches.ts";
import { readLaunches } from "../formats/read-launches.ts";
import { readText } from "../formats/read-text.ts";
import { openDevice } from "../serve/open-device.ts";
import { openTask } from "../serve/open-task.ts";
import { makeFolder } from "../store/make-folder.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { measureKernels, verdictOf, type NamedKernel } from "./measure-kernels.ts";
import { measureDocument, measureTable } from "./measure-result.ts";

export interface MeasureFlags {
  readonly device: string;
  readonly launches?: string;
  readonly compileOption: readonly string[];
  readonly receipts?: string;
  readonly python?: string;
  readonly json: boolean;
}

/** `kernelcast measure`. */
export async function measure(this: CliContext, flags: MeasureFlags, ...words: string[]): Promise<void> {
  const [taskName = "", ...files] = words;
  const { device, recording } = await openDevice(flags.device, {
    python: flags.python,
    env: { ...this.process.env },
    onNote: (line) => note(this, line),
    ...(flags.receipts === undefined ? {} : { onReceipt: receiptWriter(resolve(this.process.cwd(), flags.receipts)) }),
  });
  try {
    const task = await openTask(taskName, recording);
    const kernels = await readKernels(this, flags, task, files);
    const result = await measureKernels(device, task, kernels, this.signal);
    if (flags.json) printJson(this, measureDocument(task, device.name, result));
    else for (const line of measureTable(result)) printLine(this, line);
    if (result.kernels.some((kernel) => verdictOf(kernel).status !== "ok")) this.process.exitCode = 1;
  } finally {
    await device.close();
  }
}

/** One file per receipt, named by its content. Throws `KernelcastError("store", …)` when the folder cannot be written. */
function receiptWriter(folder: string): (text: string) => void {
  return (text) => {
    try {
      makeFolder(folder);
      writeFileSync(join(folder, `${sha256Hex(text)}.json`), text);
    } catch (cause) {
      throw new KernelcastError("store", `cannot keep a receipt in ${folder}: ${fileFault(cause)}`, { cause });
    }
  };
}

async function readKernels(
  context: CliContext,
  flags: MeasureFlags,
  task: Task,
  files: readonly string[],
): Promise<NamedKernel[]> {
  const { seedKernel, workload } = task;
  const from = context.process.cwd();
  const listed = flags.launches === undefined ? undefined : await readLaunches(flags.launches, from);
  const compileOptions = flags.compileOption.length > 0 ? flags.compileOption : seedKernel.compileOptions;
  const names = { ...integerDefines(compileOptions), ...workload.sizes };
  return Promise.all(
    files.map(async (file) => {
      const source = await readText(file, { what: "kernel", from });
      const launches = listed ?? (await readOwnLaunches(file, from)) ?? seedKernel.launches;
      return { file, kernel: makeKernel({ source, launches, compileOptions }, names) };
    }),
  );
}
