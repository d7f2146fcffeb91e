import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { passDifference, recordedRuntimeUs, type RecordedMeasurement, type Recording } from "../../domain/index.ts";
import { makeRecording, recordingContents } from "../../formats/make-recording.ts";
import { syntheticRecording } from "../../testing/synthetic-recording.ts";
import { recordingFigures } from "./figures.ts";
import { plotRecording } from "./page.ts";
import { palette } from "./palette.ts";

const recording = syntheticRecording({ kernels: 60, secondDevice: { name: "Second GPU", everyNth: 2 } });
const figures = recordingFigures(recording);
const { page, files, titles } = plotRecording(figures);
const main = (taskId: string): RecordedMeasurement[] => [...recording.measurements(taskId, "synthetic").values()];

/** The texts of the elements of a kind in an SVG or a page. */
function texts(markup: string, selector: string): string[] {
  const { document } = parseHTML(`<html><body>${markup}</body></html>`);
  return [...document.querySelectorAll(selector)].map((element) => element.textContent ?? "");
}

function withThirdPass(): Recording {
  const contents = recordingContents(recording);
  const [first] = contents.measurements;
  if (!first?.runtime) throw new Error("not ok");
  const { runtime } = first;
  const times = (factor: number) => ({ ...runtime, medianUs: runtime.medianUs * factor });
  const third = { ...first, runtimePass2: times(1.2), runtimePass3: times(1.001) };
  return makeRecording({ ...contents, measurements: [third, ...contents.measurements.slice(1)] });
}

describe("recordingFigures", () => {
  it("counts what each task's kernels did on the main device", () => {
    expect(figures).toMatchObject({ device: "synthetic", name: "synthetic" });
    expect(figures.tasks.map(({ taskId }) => taskId)).toEqual(["synthetic-a", "synthetic-b"]);
    const [task] = figures.tasks;
    expect([...(task?.failures ?? [])]).toEqual([
      ["incorrect", 2],
      ["launch_error", 1],
      ["compile_error", 1],
    ]);
    const runtimes = main("synthetic-a").flatMap((one) => recordedRuntimeUs(one) ?? []);
    const best = Math.min(...runtimes);
    expect(task?.spread).toHaveLength(56);
    expect(task?.spread[0]).toBe(0);
    expect(task?.spread.at(-1)).toBeCloseTo(Math.log2(Math.max(...runtimes) / best), 9);
    const seedId = recording.tasks.get("synthetic-a")?.task.seedKernel.kernelId;
    const seed = recordedRuntimeUs(main("synthetic-a").find((one) => one.kernelId === seedId) as RecordedMeasurement);
    expect(task?.seed).toBeCloseTo(Math.log2((seed ?? 0) / best), 9);
    expect(task?.depths).toHaveLength(60);
    expect(task?.depths.filter((depth) => depth === 0)).toHaveLength(1);
    expect(task?.randomOrder).toBeGreaterThan(1);
  });

  it("takes passes of all devices, evidence of the main one, and compares devices", () => {
    const ofMain = figures.passes.filter(({ device }) => device === "synthetic");
    const expected = ["synthetic-a", "synthetic-b"].flatMap((id) =>
      main(id).flatMap((one) => passDifference(one) ?? []),
    );
    expect(ofMain.map(({ difference }) => difference)).toEqual(expected);
    expect(figures.passes.filter(({ device }) => device === "Second GPU")).toHaveLength(52);
    expect(figures.evidence).toHaveLength(112);
    expect(figures.evidence[0]).toMatchObject({ registers: 32, sharedMemory: 0, occupancy: 0.5 });
    expect(figures.agreements).toMatchObject([{ first: "synthetic", second: "Second GPU", kernels: 60 }]);
  });
});

describe("plotRecording", () => {
  it("draws one file per chart, a chart of devices where there are several", () => {
    const names = [
      "depth",
      "families",
      "failures",
      "occupancy",
      "passes",
      "random-order",
      "registers",
      "shared-memory",
    ];
    expect([...files.keys()].toSorted()).toEqual(
      ["devices", ...names, "spread"].toSorted().map((name) => `${name}.svg`),
    );
    const alone = plotRecording(recordingFigures(syntheticRecording({ kernels: 60 })));
    expect([...alone.files.keys()]).not.toContain("devices.svg");
    expect(alone.page).not.toContain("Rank on two devices");
    expect(titles.get("devices.svg")).toBe("Rank on two devices");
    expect(titles.get("registers.svg")).toBe("What the compiler says, and how kernels do: registers");
    expect([...titles.keys()]).toEqual([...files.keys()]);
  });

  it("shows the figures of the recording", () => {
    const {
      failures = "",
      spread = "",
      families = "",
      passes = "",
      devices = "",
    } = Object.fromEntries([...files].map(([name, svg]) => [name.replace(".svg", ""), svg]));
    expect(texts(failures, "title")).toContain("synthetic-a: 2 of 60 incorrect");
    expect(texts(spread, "title").toSorted()).toEqual(["synthetic-a: 56 kernels", "synthetic-b: 56 kernels"]);
    expect(texts(spread, "text")).toEqual(
      expect.arrayContaining(["synthetic-a", "synthetic-b", "test", "seed", "1 ×"]),
    );
    expect(texts(families, "text")).toContain("1 task");
    const classes = figures.passes.filter(({ device, runtimeUs }) => device === "synthetic" && runtimeUs < 200).length;
    expect(texts(passes, "text")).toEqual(expect.arrayContaining([`below 200 µs (${classes})`, "Second GPU (52)"]));
    expect(texts(passes, "text").join()).not.toContain("best two passes");
    expect(texts(devices, "circle")).toHaveLength(52);
    const third = plotRecording(recordingFigures(withThirdPass())).files.get("passes.svg") ?? "";
    expect(texts(third, "text")).toContain("all, best two passes (112)");
    expect(texts(page, "p")[0]).toBe("2 tasks, 120 kernels, measured on synthetic and Second GPU (60 kernels).");
  });

  it("is one page that asks for nothing else, the same each time, without numbers that are none", () => {
    expect(plotRecording(recordingFigures(recording)).page).toBe(page);
    const all = [page, ...files.values()].join("\n");
    expect(all.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|<script|<link|src=|@import|url\(/);
    expect(all).not.toMatch(/NaN|Infinity|undefined/);
    for (const svg of files.values()) {
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" role="img"/);
      expect(svg).toContain("prefers-color-scheme:dark");
      expect(svg).toMatch(/aria-label="[^"]{20,}"/);
    }
  });

  it("copes with a recording that measured nothing", () => {
    const contents = recordingContents(syntheticRecording({ kernels: 3 }));
    const empty = plotRecording(recordingFigures(makeRecording({ ...contents, measurements: [] })));
    expect(empty.page).toContain("2 tasks, 6 kernels");
    expect([...empty.files.values()].join("")).not.toMatch(/NaN|Infinity/);
  });

  it("stays below 1.5 MB for a hundred tasks and 3 000 kernels on a second device", () => {
    const taskIds = Array.from({ length: 100 }, (_, index) => `task-with-a-long-name-${index}`);
    const large = syntheticRecording({ taskIds, kernels: 60, secondDevice: { name: "Second GPU", everyNth: 2 } });
    const plots = plotRecording(recordingFigures(large));
    const bytes = [plots.page, ...plots.files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeLessThan(1.5e6);
  });
});

describe("palette", () => {
  it.each(["light", "dark"] as const)("stands out from its background (%s)", (mode) => {
    const { background, pale: _pale, ink, ...colours } = palette[mode];
    expect(contrast(ink, background)).toBeGreaterThan(7);
    for (const colour of Object.values(colours)) expect(contrast(colour, background)).toBeGreaterThan(3);
  });

  /** Of WCAG 2.1. */
  function contrast(first: string, second: string): number {
    const [high = 0, low = 0] = [luminance(first), luminance(second)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  }

  function luminance(hex: string): number {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((start) => {
      const value = Number.parseInt(hex.slice(start, start + 2), 16) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
});
