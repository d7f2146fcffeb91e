import {
  dtypeBytes,
  KernelcastError,
  precisions,
  withExternC,
  type Dtype,
  type Precision,
  type Task,
} from "../domain/index.ts";
import type { InitPlan, PlannedArgument, PlannedLaunch } from "./init-task-plan.ts";
import { incompleteMark, referenceTemplate } from "./init-task-reference.ts";
import { buildTask, parseTaskFile } from "./load-task.ts";

/** What a task says besides its kernels; absent members have defaults that the file's comments name. */
export interface InitDetails {
  readonly taskId: string;
  readonly title?: string;
  readonly family?: string;
  readonly description?: string;
  readonly flops?: string;
  readonly bytesMin?: string;
  /** `exact`, or `rtol=1e-4,atol=1e-5` with, optionally, `max_fraction=0.01`. */
  readonly tolerance?: string;
  readonly precisions?: readonly string[];
  readonly draws: Readonly<Record<string, string>>;
  /** Python source; without it a template is written that keeps the task incomplete. */
  readonly reference?: string;
}

/** The files of a new task folder by name, and the task that they make. */
export interface InitFiles {
  readonly files: Readonly<Record<"task.yaml" | "seed.cu" | "reference.py", string>>;
  readonly task: Task;
  /** True while the reference is the template. */
  readonly incomplete: boolean;
  readonly notes: readonly string[];
}

type CompletePlan = Extract<InitPlan, { complete: true }>;

/** Writes nothing: makes the files of a task and checks that they load. Throws `KernelcastError` as `loadTask` does. */
export function makeTaskFiles(source: string, plan: CompletePlan, details: InitDetails): InitFiles {
  const kernels = [...new Set(plan.launches.map(({ kernel }) => kernel))];
  const seed = withExternC(source, kernels);
  const reference = details.reference ?? referenceTemplate(plan.args, plan.sizes);
  const yaml = taskYaml(plan, details);
  const task = buildTask(parseTaskFile(yaml, "task.yaml"), seed, reference.replaceAll(incompleteMark, "#"));
  const added = kernels.filter(({ externC }) => !externC).map(({ name }) => name);
  return {
    files: { "task.yaml": yaml, "seed.cu": seed, "reference.py": reference },
    task,
    incomplete: details.reference === undefined,
    notes: [
      ...plan.notes,
      ...(added.length > 0
        ? [`seed.cu: extern "C" added to ${added.join(", ")}, so that the name survives compiling`]
        : []),
      ...(details.flops === undefined
        ? ["flops: 0 until you give them (--flops); the floor check rests on bytes alone"]
        : []),
    ],
  };
}

function taskYaml(plan: CompletePlan, details: InitDetails): string {
  const { taskId } = details;
  const names = [...new Set(plan.launches.map(({ kernel }) => kernel.name))].join(" and ");
  return [
    `task_id: ${word(taskId)}`,
    "kind: cuda",
    `title: ${quote(details.title ?? `Kernel ${names}`)}`,
    `family: ${word(details.family ?? "custom")}`,
    `description: ${quote(details.description ?? `What ${names} computes.`)}  # one or two sentences; forecasters and proposers read it`,
    `sizes: { ${Object.entries(plan.sizes)
      .map(([name, value]) => `${word(name)}: ${value}`)
      .join(", ")} }`,
    "args:",
    ...plan.args.map((argument) => `  - ${argumentYaml(argument, details.draws[argument.name])}`),
    `flops: ${scalarYaml(details.flops ?? "0")}  # operations the computation needs; a multiply-add counts as two`,
    `bytes_min: ${scalarYaml(details.bytesMin ?? bytesMin(plan.args))}  # each input read once, each output written once`,
    `precisions: [${permittedPrecisions(plan.args, details.precisions).join(", ")}]  # arithmetic that the tolerance permits`,
    `tolerance: ${toleranceYaml(plan.args, details.tolerance)}`,
    "reference: reference.py",
    "seed:",
    "  source: seed.cu",
    "  compile_options: []",
    "  launches:",
    ...plan.launches.map((launch) => `    - ${launchYaml(launch)}`),
    "",
  ].join("\n");
}

/** A JSON string is a YAML string. */
function quote(text: string): string {
  return JSON.stringify(text.replace(/\s+/g, " ").trim());
}

/** A number or a name as it is, anything else quoted. */
function scalarYaml(expression: string): string {
  return /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(expression) ? expression : word(expression);
}

/** A text that YAML might take for something else, quoted. */
function word(text: string): string {
  return /^[A-Za-z_][\w-]*$/.test(text) && !/^(true|false|null)$/i.test(text) ? text : JSON.stringify(text);
}

function argumentYaml({ name, dtype, shape, role }: PlannedArgument, draw: string | undefined): string {
  const drawn = role === "in" || role === "inout" ? `, draw: ${drawYaml(name, dtype, draw)}` : "";
  return `{ name: ${word(name)}, dtype: ${dtype}, shape: [${shape.map(scalarYaml).join(", ")}], role: ${role}${drawn} }`;
}

const defaultDraws: Readonly<Record<Dtype, string>> = {
  f64: "normal:0:1",
  f32: "normal:0:1",
  f16: "normal:0:1",
  bf16: "normal:0:1",
  i64: "integers:0:100",
  i32: "integers:0:100",
  i16: "integers:0:100",
  i8: "integers:-128:128",
  u64: "integers:0:100",
  u32: "integers:0:100",
  u16: "integers:0:100",
  u8: "integers:0:256",
};

const drawMembers: Readonly<Record<string, readonly string[]>> = {
  normal: ["mean", "std"],
  uniform: ["low", "high"],
  integers: ["low", "high"],
  constant: [],
};

/** `normal:0:1` as `{ normal: { mean: 0, std: 1 } }`. */
function drawYaml(name: string, dtype: Dtype, said: string | undefined): string {
  const text = said ?? defaultDraws[dtype];
  const [kind = "", ...values] = text.split(":");
  const members = Object.hasOwn(drawMembers, kind) ? drawMembers[kind] : undefined;
  const wanted = members?.length === 0 ? 1 : members?.length;
  if (!members || values.length !== wanted || values.some((value) => value === "" || !Number.isFinite(Number(value)))) {
    throw new KernelcastError(
      "usage",
      `--draw ${name}=${text}: write normal:MEAN:STD, uniform:LOW:HIGH, integers:LOW:HIGH or constant:VALUE`,
    );
  }
  if (members.length === 0) return `{ constant: ${values[0]} }`;
  return `{ ${kind}: { ${members.map((member, index) => `${member}: ${values[index]}`).join(", ")} } }`;
}

/** Each input read once, each output written once; constant factors first. */
function bytesMin(args: readonly PlannedArgument[]): string {
  const passes = { in: 1, out: 1, inout: 2, scratch: 0 } as const;
  const terms = args.map(({ dtype, shape, role }) => {
    const factors = shape
      .filter((extent) => extent !== "1")
      .map((extent) => (/^\w+$/.test(extent) ? extent : `(${extent})`));
    return { bytes: passes[role] * dtypeBytes(dtype), extents: factors };
  });
  const counted = terms.filter(({ bytes }) => bytes > 0);
  return counted.map(({ bytes, extents }) => [String(bytes), ...extents].join("*")).join(" + ");
}

function permittedPrecisions(
  args: readonly PlannedArgument[],
  said: readonly string[] | undefined,
): readonly Precision[] {
  const wanted = said ?? defaultPrecisions(args);
  return wanted.map((name) => {
    const known = precisions.find((other) => other === name);
    if (!known) throw new KernelcastError("usage", `--precision ${name}: not one of ${precisions.join(", ")}`);
    return known;
  });
}

/** The floating types of the arguments; `i8`, the fastest arithmetic, where there are none. */
function defaultPrecisions(args: readonly PlannedArgument[]): readonly Precision[] {
  const used = precisions.filter((precision) => args.some(({ dtype }) => dtype === precision));
  const narrow = used.every((precision) => precision === "f16" || precision === "bf16");
  if (used.length === 0) return ["i8"];
  return narrow ? ["f32", ...used] : used;
}

const defaultTolerances: Readonly<Partial<Record<Dtype, string>>> = {
  f64: "rtol=1e-9,atol=1e-12",
  f32: "rtol=1e-4,atol=1e-5",
  f16: "rtol=1e-2,atol=1e-3",
  bf16: "rtol=2e-2,atol=1e-2",
};

/** The loosest default among the outputs, or what was said. */
function toleranceYaml(args: readonly PlannedArgument[], said: string | undefined): string {
  const outputs = args.filter(({ role }) => role === "out" || role === "inout").map(({ dtype }) => dtype);
  const loosest = (["bf16", "f16", "f32", "f64"] as const).find((dtype) => outputs.includes(dtype));
  const text = said ?? (loosest && defaultTolerances[loosest]) ?? "exact";
  if (text === "exact") return "{ type: exact }";
  const pairs = text.split(",").map((pair) => pair.trim().split("="));
  const values = new Map(pairs.map(([name = "", value = ""]) => [name.trim(), Number(value)]));
  const [rtol, atol, fraction] = [values.get("rtol"), values.get("atol"), values.get("max_fraction")];
  const known = [...values.keys()].every((name) => ["rtol", "atol", "max_fraction"].includes(name));
  if (!known || rtol === undefined || atol === undefined || [...values.values()].some((value) => !(value >= 0))) {
    throw new KernelcastError(
      "usage",
      `--tolerance "${text}": write exact, or rtol=1e-4,atol=1e-5 and, if some may differ, max_fraction=0.01`,
    );
  }
  const type = fraction === undefined ? "allclose" : "mismatch_frac";
  return `{ type: ${type}, rtol: ${rtol}, atol: ${atol}${fraction === undefined ? "" : `, max_fraction: ${fraction}`} }`;
}

function launchYaml({ kernel, grid, block, smem, args }: PlannedLaunch): string {
  const words = args.map((argument) =>
    typeof argument === "string" ? word(argument) : `{ ${argument[0]}: ${scalarYaml(argument[1])} }`,
  );
  const [gridYaml, blockYaml] = [grid, block].map((extents) => `[${extents.map(scalarYaml).join(", ")}]`);
  return `{ kernel: ${word(kernel.name)}, grid: ${gridYaml}, block: ${blockYaml}, smem_bytes: ${scalarYaml(smem)}, args: [${words.join(", ")}] }`;
}

/** The id that a file's name suggests: `My_Kernel.cu` gives `my-kernel`. */
export function taskIdOf(path: string): string {
  const stem = path.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "");
  const words = stem.toLowerCase().match(/[a-z0-9]+/g);
  return words ? words.join("-") : "task";
}
