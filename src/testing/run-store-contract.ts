import type { Candidate, RunStore } from "../domain/index.ts";

/** What a test runner must offer; Vitest's and Jest's globals fit. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: () => void | Promise<void>) => void;
  readonly expect: (value: unknown) => {
    toBe(value: unknown): void;
    toEqual(value: unknown): void;
    toThrow(pattern?: RegExp): void;
  };
}

const run = { runId: "r1", configKey: "k", config: { seed: 1 }, createdAt: 10 };
const candidate = (label: string): Candidate => ({
  kernel: { kernelId: label, source: `// ${label}`, launches: [], compileOptions: [] },
  parentId: null,
  origin: "external",
});
const event = (seq: number) => ({ seq, type: "candidate-add", version: 1, at: seq / 2, payload: { n: seq } });

/** The behaviour that every `RunStore` has. `open` returns a fresh, empty store. */
export function runStoreContract(name: string, open: () => RunStore, { describe, it, expect }: TestRunner): void {
  describe(`RunStore contract: ${name}`, () => {
    it("keeps runs with their configuration", () => {
      const store = open();
      store.createRun(run);
      expect(store.run("r1")).toEqual({ ...run, finishedAt: null });
      store.finishRun("r1", 20);
      expect(store.runs()).toEqual([{ ...run, finishedAt: 20 }]);
      expect(store.run("absent")).toBe(undefined);
      store.close();
    });
    it("refuses a second run of the same name", () => {
      const store = open();
      store.createRun(run);
      expect(() => store.createRun(run)).toThrow(/exists/);
      store.close();
    });
    it("appends in order and reads back from any point", () => {
      const store = open();
      store.createRun(run);
      store.append("r1", [event(0), event(1)]);
      store.append("r1", [event(2)]);
      expect([...store.events("r1")].map(({ seq }) => seq)).toEqual([0, 1, 2]);
      expect([...store.events("r1", 2)]).toEqual([{ runId: "r1", ...event(2) }]);
      store.close();
    });
    it("appends all of a batch or nothing", () => {
      const store = open();
      store.createRun(run);
      store.append("r1", [event(0)]);
      expect(() => store.append("r1", [event(1), event(0)])).toThrow();
      expect([...store.events("r1")].length).toBe(1);
      store.close();
    });
    it("stores blobs by content", () => {
      const store = open();
      const sha256 = store.putBlob("__global__ void k() {}");
      expect(store.putBlob("__global__ void k() {}")).toBe(sha256);
      expect(store.blob(sha256)).toBe("__global__ void k() {}");
      expect(store.putBlobs(["a", "__global__ void k() {}"])[1]).toBe(sha256);
      expect(store.blob("0".repeat(64))).toBe(undefined);
      store.close();
    });
  });
  submissionContract(name, open, { describe, it, expect });
}

function submissionContract(name: string, open: () => RunStore, { describe, it, expect }: TestRunner): void {
  describe(`RunStore contract, submissions: ${name}`, () => {
    it("numbers what is submitted to a run, from any point", () => {
      const store = open();
      store.createRun(run);
      store.createRun({ ...run, runId: "r2" });
      expect(store.submissions("r1")).toEqual({ submissions: [], complete: false });
      expect(store.submit("r1", [candidate("a"), candidate("b")])).toEqual([1, 2]);
      expect(store.submit("r2", [candidate("c")])).toEqual([1]);
      expect(store.submit("r1", [candidate("d")], { last: true })).toEqual([3]);
      const rest = [2, 3].map((number) => ({ number, candidate: candidate(number === 2 ? "b" : "d") }));
      expect(store.submissions("r1", 1)).toEqual({ submissions: rest, complete: true });
      expect(store.submissions("r1", 3)).toEqual({ submissions: [], complete: true });
      store.close();
    });
    it("takes no submissions for a run that is absent, has ended or was told that none follow", () => {
      const store = open();
      store.createRun(run);
      store.createRun({ ...run, runId: "r2" });
      store.submit("r1", [], { last: true });
      store.finishRun("r2", 20);
      expect(() => store.submit("r1", [candidate("a")])).toThrow(/no more candidates follow/);
      expect(() => store.submit("r2", [candidate("a")])).toThrow(/has ended/);
      expect(() => store.submit("r3", [candidate("a")])).toThrow(/no run named r3/);
      expect(store.submissions("r2").submissions.length).toBe(0);
      store.close();
    });
  });
}
