import type { DeviceInfo, Recording } from "../domain/index.ts";

const hopper = {
  computeCapability: "9.0",
  maxThreadsPerMultiprocessor: 2048,
  registersPerMultiprocessor: 65536,
  sharedMemoryPerMultiprocessor: 233472,
  sharedMemoryPerBlock: 232448,
  launchFloorUs: 4,
} as const;

const hopperFlops = { f64: 67e12, f32: 67e12, tf32: 494e12, f16: 989e12, bf16: 989e12, i8: 1979e12 } as const;

/** Data-sheet ceilings (dense), bandwidth as copies reach it; for recordings that do not describe their device. */
const figures: readonly { readonly pattern: RegExp; readonly info: Omit<DeviceInfo, "name"> }[] = [
  {
    pattern: /H200/i,
    info: {
      ...hopper,
      multiprocessors: 132,
      memoryBytes: 141e9,
      l2Bytes: 52428800,
      bandwidth: 4.3e12,
      flops: hopperFlops,
    },
  },
  {
    pattern: /H100.*PCIe/i,
    info: {
      ...hopper,
      multiprocessors: 114,
      memoryBytes: 80e9,
      l2Bytes: 52428800,
      bandwidth: 1.8e12,
      flops: { f64: 51e12, f32: 51e12, tf32: 378e12, f16: 756e12, bf16: 756e12, i8: 1513e12 },
    },
  },
  {
    pattern: /A100/i,
    info: {
      computeCapability: "8.0",
      multiprocessors: 108,
      memoryBytes: 80e9,
      l2Bytes: 41943040,
      maxThreadsPerMultiprocessor: 2048,
      registersPerMultiprocessor: 65536,
      sharedMemoryPerMultiprocessor: 167936,
      sharedMemoryPerBlock: 166912,
      bandwidth: 1.75e12,
      flops: { f64: 19.5e12, f32: 19.5e12, tf32: 156e12, f16: 312e12, bf16: 312e12, i8: 624e12 },
      launchFloorUs: 4,
    },
  },
  {
    pattern: /./,
    info: {
      ...hopper,
      multiprocessors: 132,
      memoryBytes: 80e9,
      l2Bytes: 52428800,
      bandwidth: 3e12,
      flops: hopperFlops,
    },
  },
];

/**
 * What is known of a recording's device: what the recording says; else data-sheet figures by name; else, under its own
 * name, those of an H100.
 */
export function recordedDeviceInfo(recording: Recording, device: string): DeviceInfo {
  const known = recording.deviceInfos?.get(device);
  if (known) return known;
  const match = figures.find(({ pattern }) => pattern.test(device)) ?? figures[0];
  return { name: device, ...(match as (typeof figures)[number]).info };
}
