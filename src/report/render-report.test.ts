import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { createPolicy, type PolicyName } from "../decide/policies.ts";
import { makeKernel, type Proposer, type RunStore } from "../domain/index.ts";
import { runSearch } from "../search/run-search.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { syntheticDevice, syntheticForecaster, syntheticProposer, syntheticTask } from "../testing/synthetic.ts";
import { renderReport } from "./render-report.ts";

async function searched(policy: PolicyName, proposer: Proposer = syntheticProposer()): Promise<RunStore> {
  const store = createMemoryRunStore();
  const config = {
    taskId: "synthetic",
    taskSha256: "0",
    device: "synthetic",
    proposer: "synthetic",
    forecaster: "synthetic",
    policy,
    seed: 1,
    budget: { measurements: 12 },
    winLog2: Math.log2(1.02),
    measureConcurrency: 1,
    openBatches: 1,
    strategy: { explore: 1, archive: 1000 },
  };
  store.createRun({ runId: "r", configKey: "k", config, createdAt: 0 });
  const stages = { task: syntheticTask(), device: syntheticDevice(), proposer, forecaster: syntheticForecaster() };
  await runSearch({ runId: "r", config, policy: createPolicy(policy), stages, store });
  return store;
}

describe("renderReport", () => {
  it("shows the best kernel, the charts, every decision and every measurement", async () => {
    const store = await searched("top-k");
    const { document } = parseHTML(renderReport(store, "r", syntheticTask()));
    expect(document.querySelector("#headline")?.textContent).toMatch(/^\d+\.\d\dx: .* confirmed by paired measurement/);
    for (const id of ["progress", "forecasts", "tree"]) expect(document.querySelector(`#${id} svg`)).not.toBeNull();
    const events = [...store.events("r")];
    const count = (type: string): number => events.filter((event) => event.type === type).length;
    expect(document.querySelectorAll("#decisions tbody tr")).toHaveLength(count("decision"));
    expect(document.querySelectorAll("#measurements tbody tr")).toHaveLength(count("measurement-end"));
    expect(document.querySelectorAll("#diff .added").length).toBeGreaterThan(0);
  });

  it("explains its colours, and no label of the tree lies on the level before", async () => {
    const { document } = parseHTML(renderReport(await searched("top-k"), "r", syntheticTask()));
    expect([...document.querySelectorAll("#tree .key")].map(({ textContent }) => textContent)).toEqual(
      ["seed", "measured", "best", "failed", "skipped"].map((name) => `● ${name}`),
    );
    expect(document.querySelectorAll('#tree [text-anchor="end"]')).toHaveLength(0);
    expect(document.querySelector("#forecasts .caption")?.textContent).toMatch(/80 % interval/);
  });

  it("shows what a policy that plans expected before each batch", async () => {
    const store = await searched("gate");
    const { document } = parseHTML(renderReport(store, "r", syntheticTask()));
    const outlooks = [...store.events("r")].filter(({ type }) => type === "outlook");
    expect(outlooks.length).toBeGreaterThan(0);
    expect(document.querySelectorAll("#outlook tbody tr")).toHaveLength(outlooks.length);
    expect(document.querySelector("#decisions tbody")?.textContent).toMatch(/% to win, .* expected/);
    const other = parseHTML(renderReport(await searched("top-k"), "r", syntheticTask()));
    expect(other.document.querySelector("#outlook")).toBeNull();
  });

  it("needs no forecasts", async () => {
    const page = renderReport(await searched("measure-all"), "r", syntheticTask());
    expect(page).toContain("asked for no forecasts");
  });

  it("holds no script and lets no kernel's text become markup", async () => {
    const source = `extern "C" __global__ void k(float* out) { /* <script>alert(1)</script><img src=x onerror=alert(2)> */ }`;
    const proposer: Proposer = {
      name: "hostile",
      propose: (context) =>
        syntheticProposer()
          .propose(context)
          .then((proposal) => ({
            ...proposal,
            candidates: proposal.candidates.map((candidate, index) => ({
              ...candidate,
              idea: "</title><script>alert(3)</script>",
              kernel: makeKernel({ ...candidate.kernel, source: `${source} // ${context.firstIndex + index}` }, {}),
            })),
          })),
    };
    const page = renderReport(await searched("measure-all", proposer), "r", {
      ...syntheticTask(),
      title: "<script>alert(4)</script>",
    });
    const { document } = parseHTML(page);
    expect(document.querySelectorAll("script, img, [onerror], [onload]")).toHaveLength(0);
    expect(page).toContain("default-src 'none'");
  });

  it("says which run is missing", () => {
    expect(() => renderReport(createMemoryRunStore(), "absent", syntheticTask())).toThrow(/no run named absent/);
  });
});
