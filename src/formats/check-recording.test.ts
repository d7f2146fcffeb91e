import { describe, expect, it } from "vitest";
import type { RecordedKernel, RecordedMeasurement, Recording } from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { checkRecording, type Finding } from "./check-recording.ts";
import { atlasRequirements } from "./check-requirements.ts";
import { makeRecording, recordingContents, type RecordingContents } from "./make-recording.ts";
import { nearDuplicates } from "./near-duplicates.ts";
import { recordingInfo } from "./recording-info.ts";
import { findLeak } from "./source-leaks.ts";

const sound = syntheticRecording({ kernels: 30 });

function changed(change: (contents: RecordingContents) => Partial<RecordingContents>): Recording {
  const contents = recordingContents(sound);
  return makeRecording({ ...contents, ...change(contents) });
}

const kernels = (change: (kernel: RecordedKernel, index: number) => RecordedKernel): Recording =>
  changed((contents) => ({ kernels: contents.kernels.map(change) }));
const measurements = (change: (measurement: RecordedMeasurement, index: number) => RecordedMeasurement): Recording =>
  changed((contents) => ({ measurements: contents.measurements.map(change) }));
const rules = (findings: readonly Finding[]): string[] => [
  ...new Set(findings.map(({ severity, rule }) => `${severity} ${rule}`)),
];

describe("checkRecording", () => {
  it("finds nothing in a sound recording", () => {
    expect(checkRecording(sound)).toEqual([]);
  });

  it("recomputes ids", () => {
    const tampered = kernels((recorded, index) =>
      index === 3 ? { ...recorded, kernel: { ...recorded.kernel, compileOptions: ["-DX=1"] } } : recorded,
    );
    expect(checkRecording(tampered)).toMatchObject([{ severity: "error", rule: "kernel-id", taskId: "synthetic-a" }]);
    const foreign = changed((contents) => ({
      kernels: contents.kernels.map((recorded) => ({
        ...recorded,
        parentId: recorded.parentId && `x${recorded.parentId}`,
        kernel: { ...recorded.kernel, kernelId: `x${recorded.kernel.kernelId}` },
      })),
      measurements: contents.measurements.map((one) => ({ ...one, kernelId: `x${one.kernelId}` })),
    }));
    expect(rules(checkRecording(foreign))).toEqual(["warning kernel-id"]);
  });

  it("finds circles and several roots", () => {
    const [first, second] = sound.kernels("synthetic-a").slice(1, 3);
    const circle = kernels((recorded) => {
      if (recorded.kernel === first?.kernel) return { ...recorded, parentId: second?.kernel.kernelId ?? null };
      return recorded.kernel === second?.kernel ? { ...recorded, parentId: first?.kernel.kernelId ?? null } : recorded;
    });
    const findings = checkRecording(circle);
    expect(rules(findings)).toEqual(["error tree"]);
    expect(findings.map(({ message }) => message)).toContainEqual(
      `kernel ${first?.kernel.kernelId} descends from itself`,
    );
    expect(rules(checkRecording(kernels((recorded) => ({ ...recorded, parentId: null }))))).toEqual(["warning tree"]);
  });

  it("compares runtimes with their samples", () => {
    const shifted = measurements((measurement, index) =>
      index === 0 && measurement.runtime
        ? {
            ...measurement,
            runtime: { ...measurement.runtime, medianUs: measurement.runtime.p90Us, samplesUs: [1, 2, 3] },
          }
        : measurement,
    );
    expect(checkRecording(shifted)).toMatchObject([{ rule: "runtime", severity: "error" }]);
    const silent = measurements((measurement) =>
      measurement.status === "incorrect" ? { ...measurement, error: "" } : measurement,
    );
    expect(rules(checkRecording(silent))).toEqual(["warning error-message"]);
  });

  it("warns of passes that disagree until a third one agrees with one of them", () => {
    const disagreeing = (third?: number): Recording =>
      measurements((measurement, index) => {
        const { runtime } = measurement;
        if (index !== 0 || !runtime) return measurement;
        const times = (factor: number): typeof runtime => ({
          ...runtime,
          medianUs: runtime.medianUs * factor,
          p10Us: runtime.p10Us * factor,
          p90Us: runtime.p90Us * factor,
          samplesUs: [],
        });
        return {
          ...measurement,
          runtimePass2: times(1.1),
          ...(third === undefined ? {} : { runtimePass3: times(third) }),
        };
      });
    const counts = (recording: Recording): unknown => recordingInfo(recording).devices["synthetic"]?.passes;
    expect(counts(sound)).toMatchObject({ over3Percent: 0, thirdPasses: 0, unconfirmed: 0 });
    expect(counts(disagreeing())).toMatchObject({ over3Percent: 1, thirdPasses: 0, unconfirmed: 1 });
    expect(checkRecording(disagreeing())).toMatchObject([{ severity: "warning", rule: "unconfirmed" }]);
    expect(counts(disagreeing(1.05))).toMatchObject({ over3Percent: 1, thirdPasses: 1, unconfirmed: 1 });
    expect(counts(disagreeing(1.09))).toMatchObject({ over3Percent: 1, thirdPasses: 1, unconfirmed: 0 });
    expect(checkRecording(disagreeing(1.09))).toEqual([]);
  });

  it("finds a family in two splits, tasks without one and sources in both", () => {
    const split = changed((contents) => ({
      tasks: contents.tasks.map((task, index) => ({ ...task, family: "one", split: index === 0 ? "test" : "train" })),
    }));
    // The synthetic tasks' sources differ in a number and a comment only.
    expect(rules(checkRecording(split))).toEqual(["error splits", "error near-duplicate"]);
    const partial = changed((contents) => ({
      tasks: contents.tasks.map(({ split: _split, ...task }, index) =>
        index === 0 ? { ...task, split: "test" } : task,
      ),
    }));
    expect(rules(checkRecording(partial))).toContain("error splits");
  });

  it("finds words that tell the performance", () => {
    const telling = kernels((recorded, index) =>
      index === 1 ? { ...recorded, kernel: { ...recorded.kernel, source: "void k() {} // the fast path" } } : recorded,
    );
    expect(rules(checkRecording(telling))).toContain("error leak");
  });

  it("holds the atlas to its counts", () => {
    const findings = checkRecording(sound, { requirements: atlasRequirements });
    expect(rules(findings)).toEqual(
      expect.arrayContaining([
        "error tasks",
        "error families",
        "error test-families",
        "error kernels",
        "error templates",
        "error constant-share",
      ]),
    );
    const modest = {
      ...atlasRequirements,
      tasks: 2,
      families: 2,
      testFamilies: 2,
      kernelsPerTask: 30,
      templatesPerTask: 4,
      constantShare: 1,
      seedSpeedup: 0,
      spread: 0,
    };
    expect(checkRecording(sound, { requirements: modest })).toEqual([]);
  });
});

describe("recordingInfo", () => {
  it("counts by task, device and split", () => {
    const info = recordingInfo(sound);
    expect(info).toMatchObject({
      tasks: 2,
      families: 2,
      kernels: 60,
      measured: 60,
      ok: 56,
      failed: 4,
      splits: { test: { tasks: 2, families: 2, kernels: 60 } },
    });
    expect(info.devices["synthetic"]).toMatchObject({ measured: 60, ok: 56, failed: 4, passes: { kernels: 56 } });
    expect(info.devices["synthetic"]?.passes.median).toBeLessThan(0.005);
    const [task] = info.byTask;
    expect(task).toMatchObject({ taskId: "synthetic-a", kernels: 30, templates: 4, ok: 28 });
    expect(task?.depth).toBeGreaterThan(1);
    expect(task?.bestUs).toBeLessThan(task?.seedUs ?? 0);
  });

  it("copes with a recording that measured nothing", () => {
    const info = recordingInfo(changed(() => ({ measurements: [], devices: [] })));
    expect(info).toMatchObject({ measured: 0, devices: {}, kernels: 60 });
    expect(info.byTask[0]).toMatchObject({ seedUs: null, bestUs: null, measured: 0 });
  });
});

describe("findLeak", () => {
  it.each([
    ["// much faster than before", "faster"],
    ["void fastSum() {}", "fastSum"],
    ["int baseline_rows;", "baseline_rows"],
    ["/* reaches 2900 GB/s */", "2900 GB/s"],
  ])("finds what %s says", (source, word) => {
    expect(findLeak(source)).toBe(word);
  });
  it.each(["float y = __fdividef(a, b);", "int breakfast = 32 % n;", "steadfast", "x = __fast_thing(y)"])(
    "lets %s pass",
    (source) => {
      expect(findLeak(source)).toBeUndefined();
    },
  );
});

describe("nearDuplicates", () => {
  const body = Array.from({ length: 60 }, (_, index) => `acc${index} += tile[${index}] * row[${index % 7}];`).join(
    "\n",
  );
  it("finds a copy with another comment and an edit, in another group only", () => {
    const edited = `// moved\n${body.replace("acc7 +=", "acc7 -=")}`;
    const candidates = [
      { id: "a", source: body, group: "train" },
      { id: "b", source: edited, group: "train" },
      { id: "c", source: edited, group: "test" },
      { id: "d", source: "void other(int* a) { a[0] = 1; a[1] = 2; }", group: "test" },
    ];
    expect(nearDuplicates(candidates).map(({ first, second }) => [first, second])).toEqual([
      ["a", "c"],
      ["b", "c"],
    ]);
    expect(nearDuplicates(candidates.slice(0, 2))).toEqual([]);
  });

  it("names a few of thousands of copies", () => {
    const source = "int a = 1 + b * c - d / e; int f = g(a, b, c); int h = a ? b : c;";
    const copies = Array.from({ length: 2000 }, (_, index) => ({ id: `${index}`, source, group: `${index % 2}` }));
    const found = nearDuplicates(copies);
    expect(found.length).toBeLessThan(2000 * 10);
    expect(new Set(found.map(({ second }) => second)).size).toBe(1999);
  });
});
