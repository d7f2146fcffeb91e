import { views, type View } from "../../src/evaluate/plan-view.ts";
import type { SourceForm } from "../../src/evaluate/sources.ts";

/** One situation that forecasters are judged in. */
export interface Setting {
  readonly device: string;
  /** Only the kernels that all of these devices measured; empty for all. */
  readonly measuredBy: readonly string[];
  readonly view: View;
  readonly evidence: boolean;
  readonly sources: SourceForm;
}

/** The usual situation: sources as recorded, with compile evidence. */
export function usual(device: string, view: View): Setting {
  return { device, measuredBy: [], view, evidence: true, sources: "raw" };
}

/** The same kernels on each of several devices. */
export function shared(device: string, devices: readonly string[], view: View): Setting {
  return { ...usual(device, view), measuredBy: devices };
}

/** Every situation of the ablations: without evidence, each form of the sources, each device. */
export function ablationSettings(devices: readonly string[], forms: readonly SourceForm[]): Setting[] {
  const [main = ""] = devices;
  return views.flatMap((view) => [
    usual(main, view),
    { ...usual(main, view), evidence: false },
    ...forms.filter((form) => form !== "raw").map((sources) => ({ ...usual(main, view), sources })),
    ...(devices.length > 1 ? devices.map((device) => shared(device, devices, view)) : []),
  ]);
}
