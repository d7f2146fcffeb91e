/** From rows of a recording to domain values and back. Throws `KernelcastError` without a place; callers add it. */
import {
  evaluateExpression,
  KernelcastError,
  toWireLaunches,
  toWireTolerance,
  type Dtype,
  type Evidence,
  type Expression,
  type Kernel,
  type Launch,
  type LaunchArgument,
  type Precision,
  type RecordedKernel,
  type RecordedMeasurement,
  type RecordedTask,
  type Runtime,
  type Task,
  type TaskArgument,
  type TunableSpace,
  type Workload,
} from "../domain/index.ts";
import { toEvidence, toWorkerTask } from "../measure/worker-messages.ts";
import { dtypeNamed } from "./dtype-names.ts";
import { declaredTypes, type DeclaredType } from "./parameter-type.ts";
import type { Row } from "./parquet-table.ts";
import type {
  KernelRow,
  LaunchArgumentRow,
  LaunchRow,
  MeasurementRow,
  RuntimeRow,
  TaskRow,
  WorkloadRow,
} from "./recording-schema.ts";

/** A task whose seed kernel is known only once the kernels are read. */
export type TaskDraft = Omit<Task, "seedKernel">;

/** A task of a row. A task without a family is a family of its own; precisions follow the arguments' types. */
export function toTaskDraft(row: TaskRow): TaskDraft {
  const sizes = row.sizes ?? {};
  const workload = toWorkload({ sizes, args: row.args, flops: row.flops, bytes_min: row.bytes_min });
  return {
    taskId: row.task_id,
    kind: "cuda",
    title: row.title ?? row.task_id,
    family: row.family ?? row.task_id,
    description: row.description ?? "",
    workload,
    boundaryWorkloads: (row.boundary_workloads ?? []).map(toWorkload),
    tolerance: toTolerance(row.tolerance),
    precisions: row.precisions ?? impliedPrecisions(workload.args),
    reference: withInputs(row.reference, row.make_inputs),
    ...(row.split ? { split: row.split } : {}),
    ...(row.tunables ? { tunables: toTunables(row.tunables) } : {}),
  };
}

/** A reference may define how its inputs are drawn; a recording may keep that in a column of its own. */
function withInputs(reference: string, makeInputs: string | null | undefined): string {
  if (!makeInputs?.trim() || reference.includes(makeInputs.trim())) return reference;
  return `${reference.trimEnd()}\n\n\n${makeInputs.trim()}\n`;
}

function toWorkload(row: WorkloadRow): Workload {
  const number = (expression: Expression): number =>
    typeof expression === "number" ? expression : evaluateExpression(expression, row.sizes);
  const args = row.args.map(({ name, dtype, shape, role, draw }): TaskArgument => ({
    name,
    dtype,
    shape: shape.map(number),
    role,
    ...(draw ? { draw } : {}),
  }));
  return { sizes: row.sizes, args, flops: number(row.flops), bytesMin: number(row.bytes_min) };
}

function toTunables(row: NonNullable<TaskRow["tunables"]>): TunableSpace {
  const { parameters, constraints, launches, compile_options: compileOptions } = row;
  return {
    parameters,
    constraints,
    launches: launches.map((launch) => toLaunch(launch, () => undefined)),
    compileOptions,
  };
}

function fromTunables({ parameters, constraints, launches, compileOptions }: TunableSpace): Row {
  const symbolic = launches.map(({ smemBytes, ...launch }) => ({ ...launch, smem_bytes: smemBytes }));
  return { parameters, constraints, launches: symbolic, compile_options: compileOptions };
}

function toTolerance(tolerance: TaskRow["tolerance"]): Task["tolerance"] {
  if (tolerance.type === "exact") return tolerance;
  const { type } = tolerance;
  const bounds = { rtol: tolerance.rtol ?? 0, atol: tolerance.atol ?? 0 };
  return type === "allclose" ? { type, ...bounds } : { type, ...bounds, maxFraction: tolerance.max_fraction };
}

function impliedPrecisions(args: readonly TaskArgument[]): Precision[] {
  const known: readonly Precision[] = ["f64", "f32", "f16", "bf16", "i8"];
  const used = known.filter((precision) => args.some(({ dtype }) => dtype === precision));
  return used.length > 0 ? used : ["f32"];
}

/** A kernel of a row, with its id as the row gives it. */
export function toRecordedKernel(row: KernelRow): RecordedKernel {
  const kernel: Kernel = {
    kernelId: row.kernel_id,
    source: row.source,
    launches: toLaunches(row),
    compileOptions: row.compile_options ?? [],
  };
  return {
    kernel,
    taskId: row.task_id,
    parentId: isRoot(row) ? null : (row.parent_id ?? null),
    ...(row.idea ? { idea: row.idea } : {}),
    ...(row.origin ? { origin: row.origin } : {}),
    ...(row.template_id ? { templateId: row.template_id } : {}),
  };
}

/** Tables without a null write a root's parent as nothing or as the kernel itself. */
function isRoot({ kernel_id, parent_id }: KernelRow): boolean {
  return parent_id == null || parent_id === "" || parent_id === kernel_id;
}

function toLaunches({ source, launches }: KernelRow): Launch[] {
  return launches.map((launch) => toLaunch(launch, declaredTypes(source, launch.kernel)));
}

/** `declared` gives the type of the kernel's parameter of an index. */
function toLaunch(row: LaunchRow, declared: DeclaredType): Launch {
  return {
    kernel: row.kernel,
    grid: row.grid,
    block: row.block,
    smemBytes: row.smem_bytes ?? 0,
    args: (row.args ?? []).map((argument, index) => toArgument(argument, () => declared(index))),
  };
}

type ArgumentMembers = Readonly<Record<string, Expression | boolean | null>>;

function toArgument(argument: LaunchArgumentRow, declared: () => Dtype | undefined): LaunchArgument {
  if (typeof argument === "number") return bareNumber(argument, declared());
  if (typeof argument !== "string") return typedScalar(argument, declared);
  const text = argument.trim();
  if (text.startsWith("{")) return typedScalar(JSON.parse(text) as ArgumentMembers, declared);
  if (text === "true" || text === "false") return bareNumber(Number(text === "true"), declared());
  return /^[-+]?(\d|\.\d)/.test(text) ? bareNumber(Number(text), declared()) : argument;
}

function bareNumber(value: number, declared: Dtype | undefined): LaunchArgument {
  return { [declared ?? (Number.isInteger(value) ? "i32" : "f32")]: value };
}

/** `{dtype: value}`; of structs and maps that have a member for every type, those that are null say nothing. */
function typedScalar(argument: ArgumentMembers, declared: () => Dtype | undefined): LaunchArgument {
  const [entry, ...more] = Object.entries(argument).filter(([, value]) => value !== null);
  if (entry && more.length === 0) {
    const [name, value] = entry;
    if (name === "name" && typeof value === "string") return toArgument(value, declared);
    const dtype = dtypeNamed(name);
    if (dtype) return { [dtype]: numberOf(value as Expression | boolean) };
  }
  throw new KernelcastError("recording", `launches: argument ${JSON.stringify(argument)} is not {dtype: value}`);
}

/** Numbers may be text, as in a column of which some values are expressions. */
function numberOf(value: Expression | boolean): Expression {
  if (typeof value === "boolean") return Number(value);
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
  return Number.isNaN(number) ? value : number;
}

/** A measurement of a row. Throws for an `ok` without a runtime. */
export function toRecordedMeasurement(row: MeasurementRow): RecordedMeasurement {
  const ok = row.status === "ok";
  if (ok && row.runtime_us == null) throw new KernelcastError("recording", "status is ok but runtime_us is missing");
  const evidence = toEvidence(row);
  return {
    kernelId: row.kernel_id,
    device: row.device,
    status: row.status,
    ...(row.error ? { error: row.error } : {}),
    ...(ok && row.runtime_us != null ? { runtime: toRuntime(row.runtime_us) } : {}),
    ...(ok && row.runtime_us_pass2 != null ? { runtimePass2: toRuntime(row.runtime_us_pass2) } : {}),
    ...(ok && row.runtime_us_pass3 != null ? { runtimePass3: toRuntime(row.runtime_us_pass3) } : {}),
    ...(Object.keys(evidence).length > 0 ? { evidence } : {}),
    ...(row.gpu_ms != null ? { gpuMs: row.gpu_ms } : {}),
  };
}

function toRuntime(row: RuntimeRow): Runtime {
  if (typeof row === "number") return { medianUs: row, p10Us: row, p90Us: row, n: 1, samplesUs: [] };
  const samplesUs = row.samples ?? [];
  return {
    medianUs: row.median,
    p10Us: row.p10 ?? row.median,
    p90Us: row.p90 ?? row.median,
    n: row.n ?? Math.max(1, samplesUs.length),
    samplesUs,
  };
}

/** The row of a task, complete enough to measure its kernels again. */
export function fromTask({ task, split }: RecordedTask): Row {
  const wire = toWorkerTask(task);
  return {
    task_id: task.taskId,
    kind: task.kind,
    title: task.title,
    family: task.family,
    split: split ?? task.split,
    description: task.description,
    sizes: wire.workload.sizes,
    args: wire.workload.args,
    boundary_workloads: wire.boundary_workloads.length > 0 ? wire.boundary_workloads : undefined,
    flops: wire.workload.flops,
    bytes_min: wire.workload.bytes_min,
    tolerance: toWireTolerance(task.tolerance),
    precisions: task.precisions,
    reference: task.reference,
    tunables: task.tunables && fromTunables(task.tunables),
  };
}

/** The row of a kernel, its launches resolved to numbers. */
export function fromKernel(recorded: RecordedKernel, workload: Workload): Row {
  const { kernel, taskId, parentId, idea, origin, templateId } = recorded;
  return {
    kernel_id: kernel.kernelId,
    task_id: taskId,
    parent_id: parentId,
    source: kernel.source,
    launches: toWireLaunches(kernel, workload),
    compile_options: kernel.compileOptions,
    idea,
    origin,
    template_id: templateId,
  };
}

/** The row of a measurement; times are rounded to the nanosecond. */
export function fromMeasurement(measurement: RecordedMeasurement, taskId: string): Row {
  const { evidence = {} } = measurement;
  return {
    kernel_id: measurement.kernelId,
    task_id: taskId,
    device: measurement.device,
    status: measurement.status,
    error: measurement.error,
    runtime_us: measurement.runtime && fromRuntime(measurement.runtime),
    runtime_us_pass2: measurement.runtimePass2 && fromRuntime(measurement.runtimePass2),
    runtime_us_pass3: measurement.runtimePass3 && fromRuntime(measurement.runtimePass3),
    ...fromEvidence(evidence),
    gpu_ms: measurement.gpuMs === undefined ? undefined : rounded(measurement.gpuMs, 1),
  };
}

/** A measurement as a recording keeps it, so that one that was stored is recognised when it comes again. */
export function asStored(measurement: RecordedMeasurement): RecordedMeasurement {
  return toRecordedMeasurement(fromMeasurement(measurement, "") as unknown as MeasurementRow);
}

function fromRuntime(runtime: Runtime): Row {
  return {
    median: nanoseconds(runtime.medianUs),
    p10: nanoseconds(runtime.p10Us),
    p90: nanoseconds(runtime.p90Us),
    n: runtime.n,
    ...(runtime.samplesUs.length > 0 ? { samples: runtime.samplesUs.map(nanoseconds) } : {}),
  };
}

function fromEvidence(evidence: Evidence): Row {
  return {
    regs: evidence.regs,
    static_smem: evidence.staticSmem,
    spill_bytes: evidence.spillBytes,
    occupancy: evidence.occupancy === undefined ? undefined : rounded(evidence.occupancy, 4),
    sass: evidence.sass,
    machine_code_sha256: evidence.machineCodeSha256,
    compile_ms: evidence.compileMs === undefined ? undefined : rounded(evidence.compileMs, 1),
  };
}

/** Three decimals of a microsecond: finer than a device's clock, and short as text. */
function nanoseconds(microseconds: number): number {
  return rounded(microseconds, 3);
}

function rounded(value: number, decimals: number): number {
  const scale = 10 ** decimals;
  return Math.round(value * scale) / scale;
}
