import { structuredPatch } from "diff";
import {
  bindLaunch,
  KernelcastError,
  type Evidence,
  type Kernel,
  type Launch,
  type Names,
} from "../../../domain/index.ts";

/** Launches and options of a kernel, in the form that CUDA has for them. They are its author's words. */
export function describeLaunches({ launches, compileOptions }: Kernel, sizes: Names): string {
  const lines = launches.map((launch) => `launch ${describeLaunch(launch, sizes)}`);
  return [...lines, ...(compileOptions.length > 0 ? [`compile options: ${compileOptions.join(" ")}`] : [])].join("\n");
}

function describeLaunch(launch: Launch, sizes: Names): string {
  const { kernel, grid, block, smemBytes, args } = boundLaunch(launch, sizes);
  const given = args.map((argument) =>
    typeof argument === "string"
      ? argument
      : Object.entries(argument)
          .map(([dtype, value]) => `${dtype} ${value}`)
          .join(" "),
  );
  const shared = smemBytes === 0 ? "" : `, ${smemBytes}`;
  return `${kernel}<<<(${grid.join(", ")}), (${block.join(", ")})${shared}>>>(${given.join(", ")})`;
}

/** A launch with its arithmetic evaluated; one that cannot be evaluated as it was written. */
export function boundLaunch(launch: Launch, sizes: Names): Launch {
  try {
    return bindLaunch(launch, sizes);
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) return launch;
    throw cause;
  }
}

/** Opcode classes that are shown: the most frequent ones tell what a kernel does. */
const shownOpcodes = 14;

/** What the compiler said, in one line; undefined where it said nothing that tells of the runtime. */
export function describeEvidence({ regs, staticSmem, spillBytes, occupancy, sass }: Evidence): string | undefined {
  const opcodes = Object.entries(sass ?? {})
    .filter(([name]) => /^[A-Z][A-Z0-9_.]*$/.test(name))
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, shownOpcodes)
    .map(([name, count]) => `${name} ${count}`);
  const parts = [
    ...(regs === undefined ? [] : [`${regs} registers`]),
    ...(staticSmem === undefined ? [] : [`${staticSmem} B static shared memory`]),
    ...(spillBytes === undefined ? [] : [`${spillBytes} B spilled`]),
    ...(occupancy === undefined ? [] : [`occupancy ${Number(occupancy.toFixed(2))}`]),
    ...(opcodes.length === 0 ? [] : [`instructions ${opcodes.join(", ")}`]),
  ];
  return parts.length === 0 ? undefined : `It compiles: ${parts.join("; ")}`;
}

/** What changes from one source to another, as hunks with three lines around; empty where nothing does. */
export function sourceChanges(from: string, to: string): string {
  const { hunks } = structuredPatch("", "", from, to, undefined, undefined, { context: 3 });
  return hunks
    .map(({ oldStart, oldLines, newStart, newLines, lines }) =>
      [`@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`, ...lines].join("\n"),
    )
    .join("\n");
}
