import type { DeviceInfo, InputDraw, Task, TaskArgument, Tolerance } from "../../../domain/index.ts";

/** What is to be computed, how exactly, and on what. */
export function describeTask({ title, description, workload, boundaryWorkloads, tolerance, precisions }: Task): string {
  const sizes = Object.entries(workload.sizes).map(([name, value]) => `${name} = ${value}`);
  return [
    `# Task: ${oneLine(title)}`,
    oneLine(description),
    ...(sizes.length > 0 ? [`Sizes: ${sizes.join(", ")}`] : []),
    "Arguments (row-major, dense, in device memory):",
    ...workload.args.map(describeArgument),
    `Work: ${amount(workload.flops)} operations (a multiply-add counts as two); at least ${amount(workload.bytesMin)} bytes through device memory`,
    `Tolerance: ${describeTolerance(tolerance)}`,
    `Arithmetic that the tolerance permits: ${precisions.join(", ")}`,
    ...(boundaryWorkloads.length > 0
      ? [`Also checked, but not timed, at other sizes: ${boundaryWorkloads.map(sizesOf).join("; ")}`]
      : []),
  ].join("\n");
}

function sizesOf({ sizes }: Task["workload"]): string {
  return Object.entries(sizes)
    .map(([name, value]) => `${name} = ${value}`)
    .join(", ");
}

function describeArgument({ name, dtype, shape, role, draw }: TaskArgument): string {
  const drawn = draw ? `, ${describeDraw(draw)}` : "";
  return `- ${name}: ${dtype}[${shape.join(", ")}], ${role}${drawn}`;
}

function describeDraw(draw: InputDraw): string {
  if ("normal" in draw) return `normal with mean ${draw.normal.mean} and deviation ${draw.normal.std}`;
  if ("uniform" in draw) return `uniform in [${draw.uniform.low}, ${draw.uniform.high})`;
  if ("integers" in draw) return `whole numbers in [${draw.integers.low}, ${draw.integers.high})`;
  return `all ${draw.constant}`;
}

function describeTolerance(tolerance: Tolerance): string {
  if (tolerance.type === "exact") return "outputs must be equal to the reference's";
  const close = `|got - want| <= ${tolerance.atol} + ${tolerance.rtol} * |want|`;
  return tolerance.type === "allclose"
    ? `${close} everywhere`
    : `${close}, but for at most ${tolerance.maxFraction} of the elements`;
}

/** What the device can do. */
export function describeDevice(device: DeviceInfo): string {
  const flops = Object.entries(device.flops).map(([name, rate]) => `${name} ${Number((rate / 1e12).toPrecision(3))}`);
  return [
    `# Device: ${oneLine(device.name)}, compute capability ${device.computeCapability}`,
    `${device.multiprocessors} multiprocessors, each with ${device.maxThreadsPerMultiprocessor} threads, ${device.registersPerMultiprocessor} registers and ${kib(device.sharedMemoryPerMultiprocessor)} KiB of shared memory (${kib(device.sharedMemoryPerBlock)} KiB a block)`,
    `L2 cache ${(device.l2Bytes / 2 ** 20).toFixed(0)} MiB; device memory ${(device.bandwidth / 1e9).toFixed(0)} GB/s, as measured`,
    `Ceilings in 10^12 operations a second (tensor cores for tf32, f16, bf16 and i8): ${flops.join(", ")}`,
    `An empty launch takes ${device.launchFloorUs} µs`,
  ].join("\n");
}

function kib(bytes: number): string {
  return String(Math.floor(bytes / 1024));
}

function amount(value: number): string {
  return value < 1e6 ? String(value) : `${(value / 1e6).toPrecision(4)} million`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
