import { describe, expect, it } from "vitest";
import type { Device, GenerateRequest, RunStore } from "../domain/index.ts";
import { createLlmProposer } from "../propose/llm/llm-proposer.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { scriptedLanguageModel, type ScriptedAnswer } from "../testing/scripted-language-model.ts";
import { createPolicy } from "../decide/policies.ts";
import { logOf, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import { replayRun } from "./replay.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";
import { summarise } from "./summary.ts";

const answerWith = (value: string | number): string =>
  JSON.stringify({
    idea: `value ${value}`,
    source: `extern "C" __global__ void k(float* out) { out[threadIdx.x] = ${value}; }`,
    launches: [{ kernel: "k", grid: [1], block: [1024], args: ["out"] }],
  });

type Answer = (request: GenerateRequest, call: number) => ScriptedAnswer;

function searchWith(answer: Answer, store: RunStore, device: Partial<Device> = {}, measurements = 9) {
  const run = syntheticRun("measure-all", store, { budget: { measurements } });
  const model = scriptedLanguageModel({ answer });
  const stages = { ...run.stages, device: { ...run.stages.device, ...device }, proposer: createLlmProposer(model) };
  return { model, run: { ...run, stages } satisfies RunSearchOptions };
}

const notes = (store: RunStore, runId: string) =>
  [...store.events(runId)].flatMap(({ type, payload }) => (type === "candidate-duplicate" ? [payload] : []));

describe("a search whose proposer learns", () => {
  it("tells it of compile errors and of wrong results", async () => {
    const store = createMemoryRunStore();
    const broken: Device["compile"] = (_task, kernels) =>
      Promise.resolve(
        kernels.map(({ kernelId, source }) =>
          source.includes("= 1;")
            ? { kernelId, ok: false as const, error: "error: one is not supported" }
            : { kernelId, ok: true as const, evidence: {} },
        ),
      );
    const { device } = syntheticRun("measure-all", createMemoryRunStore()).stages;
    const measure: Device["measure"] = async (request) => {
      const measurement = await device.measure(request);
      const wrong = { status: "incorrect", error: "wrong_output: at 3" } as const;
      return request.kernel.source.includes("= 2;") ? { ...measurement, ...wrong } : measurement;
    };
    const { model, run } = searchWith((_request, call) => answerWith(call), store, { compile: broken, measure }, 40);
    const state = await runSearch(run);
    expect(state.counts.failed).toBeGreaterThan(1);
    const later = model.requests.slice(4).map(({ prompt }) => prompt);
    expect(later.some((prompt) => prompt.includes("compile_error: error: one is not supported"))).toBe(true);
    expect(later.some((prompt) => prompt.includes("incorrect: wrong_output: at 3"))).toBe(true);
    expect(later.some((prompt) => /## Failed kernel \(incorrect\)\n```text\nwrong_output/.test(prompt))).toBe(true);
    expect(later.some((prompt) => / µs, \d+\.\d\d x the parent's speed/.test(prompt))).toBe(true);
  });

  it("sends a duplicate text back once, takes what comes, and drops a second one", async () => {
    const store = createMemoryRunStore();
    // The first batch holds a kernel twice; asked again, the model says it a third time, later something else.
    const values = ["10", "10 /* again */", "12", "13", "10"];
    const { model, run } = searchWith((_request, call) => answerWith(values[call] ?? call + 100), store, {}, 6);
    const state = await runSearch(run);
    const sentBack = model.requests.filter(({ prompt }) => prompt.includes("## Sent back"));
    expect(sentBack.length).toBe(1);
    expect(sentBack[0]?.prompt).toMatch(
      /10 \/\* again \*\/;[^]*but for comments and spacing the same as this one[^]*= 10;/,
    );
    expect(notes(store, run.runId)).toMatchObject([{ by: "text" }, { by: "id" }]);
    expect(state.counts).toMatchObject({ duplicates: 2, measured: 6 });
    expect(JSON.stringify(logOf(store, run.runId))).toContain("revise:b0");
  });

  it("sends duplicate machine code back once, and measures what comes in its place", async () => {
    const store = createMemoryRunStore();
    const compile: Device["compile"] = (_task, kernels) =>
      Promise.resolve(
        kernels.map(({ kernelId, source }) => {
          const value = /= (\d+)/.exec(source)?.[1] ?? "seed";
          const machineCodeSha256 = ["10", "11"].includes(value) ? "same" : value;
          return { kernelId, ok: true as const, evidence: { machineCodeSha256 } };
        }),
      );
    const { model, run } = searchWith((_request, call) => answerWith(call + 10), store, { compile }, 5);
    const state = await runSearch(run);
    const sentBack = model.requests.filter(({ prompt }) => prompt.includes("## Sent back"));
    expect(sentBack.map(({ prompt }) => /same machine code as this one[^]*= (\d+);/.exec(prompt)?.[1])).toEqual(["10"]);
    expect(notes(store, run.runId)).toMatchObject([{ by: "machine-code" }]);
    expect(state.counts).toMatchObject({ duplicates: 1, measured: 5 });
  });

  it("counts proposals that came to nothing, stays within its budget of candidates, and follows from its log", async () => {
    const store = createMemoryRunStore();
    const answers: Answer = ({ purpose }, call) =>
      purpose === "propose-repair" || call % 5 === 4 ? "nonsense" : answerWith(call % 7);
    const { run } = searchWith(answers, store);
    const limited = { ...run, config: { ...run.config, budget: { candidates: 30 } } };
    const state = await runSearch(limited);
    expect(state.counts.considered).toBeLessThanOrEqual(30);
    const lost = [...state.ledger.proposalFailures.values()].reduce((sum, one) => sum + one, 0);
    expect(lost).toBeGreaterThan(0);
    expect(summarise(run.runId, state)).toMatchObject({
      proposal_failures: { count: lost, last: expect.stringMatching(/no complete JSON/) },
    });
    const replayed = replayRun(store, run.runId, createPolicy("measure-all"));
    expect(summarise(run.runId, replayed?.state ?? state)).toEqual(summarise(run.runId, state));
  });

  it("decides the same again, and ends when the model's budget does", async () => {
    const logs = await Promise.all(
      [1, 2].map(async () => {
        const store = createMemoryRunStore();
        const { run } = searchWith(({ seed = 0 }) => answerWith(seed % 1000), store);
        await runSearch(run);
        return logOf(store, run.runId);
      }),
    );
    expect(logs[0]).toEqual(logs[1]);
    const spent = searchWith(() => ({ fault: "budget", message: "spent" }), createMemoryRunStore());
    expect((await runSearch(spent.run)).ended).toBe("no-more-proposals");
  });
});
