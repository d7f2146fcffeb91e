import { readLaunches } from "../formats/read-launches.ts";
import { addKernels, type AddedKernels, type AddedOnDevice, type AddKernelsRequest } from "../serve/add-kernels.ts";
import { writeRequests, type RequestFile } from "../serve/write-requests.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";

export interface AddFlags {
  readonly task?: string;
  readonly kernels?: string;
  readonly device: string;
  readonly passes: "1" | "2";
  readonly pass1: readonly string[];
  readonly pass2: readonly string[];
  readonly pass3: readonly string[];
  readonly requests?: string;
  readonly out?: string;
  readonly inPlace: boolean;
  readonly launches?: string;
  readonly compileOption: readonly string[];
  readonly split?: "train" | "validation" | "test";
  readonly seed: number;
  readonly python?: string;
  readonly json: boolean;
}

/** `kernelcast recording add`. */
export async function add(this: CliContext, flags: AddFlags, recording: string): Promise<void> {
  const { task, kernels, device, passes, out, inPlace, compileOption, split, seed, python } = flags;
  const request: AddKernelsRequest = {
    recording,
    out,
    inPlace,
    task,
    kernels,
    launches: flags.launches === undefined ? undefined : await readLaunches(flags.launches, this.process.cwd()),
    compileOptions: compileOption.length > 0 ? compileOption : undefined,
    split,
    passFiles: [flags.pass1, flags.pass2, flags.pass3],
    device,
    passes: passes === "1" ? 1 : 2,
    seed,
    python,
    env: { ...this.process.env },
    signal: this.signal,
    onNote: (line) => note(this, line),
  };
  if (flags.requests !== undefined) return printRequests(this, flags, await writeRequests(request, flags.requests));
  const added = await addKernels(request);
  if (flags.json) printJson(this, addedDocument(added));
  else for (const line of addedLines(added)) printLine(this, line);
}

function printRequests(context: CliContext, { json }: AddFlags, files: readonly RequestFile[]): void {
  if (json) printJson(context, { requests: files });
  else for (const { path, kernels } of files) printLine(context, `${path}: ${kernels} kernels`);
}

function addedDocument({ devices, conflicts, outcomes, ...counts }: AddedKernels): unknown {
  const onDevice = ({ passes, ...verdicts }: AddedOnDevice): unknown => ({
    ...verdicts,
    passes: {
      kernels: passes.kernels,
      median_disagreement: passes.median,
      over_3_percent: passes.over3Percent,
      third_passes: passes.thirdPasses,
      unconfirmed: passes.unconfirmed,
    },
  });
  return {
    ...counts,
    devices: Object.fromEntries(Object.entries(devices).map(([name, device]) => [name, onDevice(device)])),
    outcomes,
    conflicts: conflicts.map(({ kernelId, device, statuses }) => ({ kernel_id: kernelId, device, statuses })),
  };
}

function addedLines(added: AddedKernels): readonly string[] {
  const { conflicts, refused, strangers, unmeasured } = added;
  return [
    `${added.out}: ${added.kernels} kernels added`,
    ...Object.entries(added.devices).map(
      ([name, { measured, ok, failed, passes }]) =>
        `${name}: ${measured} measured (${ok} ok, ${failed} failed), ${passes.over3Percent} with passes that differ by over 3 %, of which ${passes.unconfirmed} are not confirmed`,
    ),
    ...conflicts.map(({ kernelId, statuses }) => `conflict: ${kernelId} was ${statuses.join(", then ")}`),
    ...refused.map(({ id, code, message }) => `refused: ${id}: ${message} (${code})`),
    ...(strangers > 0 ? [`${strangers} measurements are of kernels that are not in it, and were left out`] : []),
    ...(unmeasured > 0 ? [`${unmeasured} of the kernels were not measured`] : []),
  ];
}
