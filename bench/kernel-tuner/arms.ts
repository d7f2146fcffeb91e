import { createPolicy, policyNames } from "../../src/decide/policies.ts";
import { keyedShuffle, type Forecaster, type Task } from "../../src/domain/index.ts";
import { recordedDevice } from "../../src/measure/recorded-device.ts";
import { learningTunablesProposer } from "../../src/propose/learning-tunables-proposer.ts";
import { tunablesProposer } from "../../src/propose/tunables-proposer.ts";
import type { SearchConfig, SearchInput } from "../../src/search/events.ts";
import { runSearch } from "../../src/search/run-search.ts";
import { openForecaster } from "../../src/serve/open-forecaster.ts";
import { createMemoryRunStore } from "../../src/store/memory-run-store.ts";
import type { BenchSpace } from "./bench-space.ts";

/** One way to search a space. */
export interface Arm {
  readonly name: string;
  /** Places of the configurations in the order in which they were tried; one that is confirmed stands there again. */
  search(space: BenchSpace, seed: number, limit: number): Promise<readonly number[]>;
  close?(): Promise<void>;
}

/**
 * Opens an arm: `random`, which draws without replacement and is what everything must beat, or a policy of kernelcast's search
 * and, behind a plus, the forecaster that it asks: `measure-all`, `top-k+static`. `learn/` before it has the proposer learn the
 * space (`--proposer tunables:learn`).
 */
export async function openArm(name: string): Promise<Arm> {
  if (name === "random")
    return { name, search: async (space, seed, limit) => randomOrder(space, seed).slice(0, limit) };
  const learns = name.startsWith(learnPrefix);
  const [policyText = "", ...rest] = name.slice(learns ? learnPrefix.length : 0).split("+");
  const policy = policyNames.find((known) => known === policyText);
  if (!policy) throw new Error(`unknown arm ${name} (known: random, ${policyNames.join(", ")}, each with +FORECASTER)`);
  const needsForecasts = createPolicy(policy).needsForecasts;
  if (needsForecasts !== rest.length > 0) {
    throw new Error(
      `${name}: ${policy} ${needsForecasts ? "needs a forecaster: name it behind a plus" : "asks no forecaster"}`,
    );
  }
  const forecaster = needsForecasts ? await openForecaster(rest.join("+"), {}) : undefined;
  return {
    name,
    search: (space, seed, limit) =>
      searchSpace({ space, seed, limit, policy, forecaster, forecasterName: rest.join("+"), learns }),
    close: async () => forecaster?.close?.(),
  };
}

const learnPrefix = "learn/";

function randomOrder({ configurations }: BenchSpace, seed: number): number[] {
  return keyedShuffle([...configurations.keys()], seed, "start");
}

interface SearchRun {
  readonly space: BenchSpace;
  readonly seed: number;
  readonly limit: number;
  readonly policy: (typeof policyNames)[number];
  readonly forecaster: Forecaster | undefined;
  readonly forecasterName: string;
  readonly learns: boolean;
}

/**
 * kernelcast's own search over the recording. It starts where a tuner would, at a configuration drawn at random; draws that fail are
 * tries, too.
 */
async function searchSpace(run: SearchRun): Promise<readonly number[]> {
  const { space, seed, limit, policy, forecaster, learns } = run;
  const order = randomOrder(space, seed);
  const start = order.findIndex((place) => space.timesMs[place] !== undefined);
  const tried = order.slice(0, start);
  if (tried.length >= limit) return tried;
  const task: Task = {
    ...space.task,
    seedKernel: space.kernels[order[start] as number] as (typeof space.kernels)[number],
  };
  const config = searchConfig(run, task.taskId, limit - tried.length);
  const store = createMemoryRunStore();
  store.createRun({ runId: "bench", configKey: "bench", config, createdAt: 0 });
  const places = new Map(space.kernels.map(({ kernelId }, place) => [kernelId, place]));
  const stages = {
    task,
    device: recordedDevice(space.recording, { device: space.device }),
    proposer: (learns ? learningTunablesProposer : tunablesProposer)(task, { kernels: space.kernels }),
    forecaster,
  };
  const found = new AbortController();
  const fastest = Math.min(...space.timesMs.filter((time) => time !== undefined));
  const listener = (_state: unknown, input: SearchInput): void => {
    for (const kernelId of triedIn(input)) {
      const place = places.get(kernelId) as number;
      tried.push(place);
      if (space.timesMs[place] === fastest) found.abort();
    }
  };
  const { signal } = found;
  const searched = runSearch({ runId: "bench", config, policy: createPolicy(policy), stages, store, listener, signal });
  await searched.catch((error: unknown) => {
    // What is tried after the optimum decides nothing.
    if (!found.signal.aborted) throw error;
  });
  return tried;
}

/** What did not compile was tried as well: a tuner, too, learns that by trying. A confirmation times the anchor again, too. */
function triedIn(input: SearchInput): string[] {
  if (input.type === "measurement-end") {
    const { measurement } = input;
    const anchorId = measurement.status === "ok" ? measurement.confirmation?.anchorId : undefined;
    return anchorId === undefined ? [measurement.kernelId] : [measurement.kernelId, anchorId];
  }
  if (input.type !== "compile-end") return [];
  return input.outcomes.filter(({ ok }) => !ok).map(({ kernelId }) => kernelId);
}

function searchConfig(
  { policy, forecasterName, seed, space, learns }: SearchRun,
  taskId: string,
  measurements: number,
): SearchConfig {
  return {
    taskId,
    taskSha256: "",
    device: space.device,
    proposer: learns ? "tunables:learn" : "tunables",
    forecaster: forecasterName,
    policy,
    seed,
    budget: { measurements },
    winLog2: Math.log2(1.02),
    measureConcurrency: 1,
    openBatches: 1,
    strategy: { explore: 1, archive: 1000 },
  };
}
