import {
  evaluateExpression,
  type Kernel,
  type PastProposal,
  type ProposeContext,
  type Proposer,
  type Task,
} from "../domain/index.ts";
import { coordinatesOf, type PointFacts } from "./learn/coordinates.ts";
import { SpaceLearner, type NextPoint, type Outcome } from "./learn/space-learner.ts";
import {
  pointOf,
  toCandidate,
  tunableChoices,
  type TunableChoices,
  type TunablesProposerOptions,
} from "./tunable-space.ts";

/**
 * Proposes points of a task's parameter space by what the run has measured of it: a Gaussian process over all of them forecasts
 * each, and the one whose expected gain is largest is proposed, one at a time, so that the next one knows what came of it. The
 * first points are spread over the space. Proposals are a function of the run's results in their order, of what is under way,
 * and of the seed; the parent does not matter. Throws like `tunablesProposer`.
 */
export function learningTunablesProposer(task: Task, options: TunablesProposerOptions = {}): Proposer {
  const known = tunableChoices(task, options);
  const names = Object.keys(known.space.parameters);
  const keyOf = (point: Readonly<Record<string, number>>): string => names.map((name) => point[name]).join(" ");
  const places = new Map(known.choices.map(({ point }, place) => [keyOf(point), place]));
  const points = coordinatesOf(known.choices.map(({ point }) => factsOf(known, point)));
  const placeOf = (kernel: Kernel): number | undefined =>
    kernel.source === task.seedKernel.source ? places.get(keyOf(pointOf(kernel, known.space))) : undefined;
  let learner: SpaceLearner | undefined;
  let learnerSeed: number | undefined;
  return {
    name: "tunables",
    learns: true,
    propose(context) {
      const { parent, history = [], seed } = context;
      const outcomes = outcomesOf(history, placeOf);
      if (!learner || learnerSeed !== seed || !continues(learner.outcomes, outcomes)) {
        learner = new SpaceLearner(points, seed);
        learnerSeed = seed;
      }
      for (const outcome of outcomes.slice(learner.outcomes.length)) learner.add(outcome);
      const taken = takenPlaces(context, placeOf);
      const next = learner.next((place) => taken.has(place));
      const choice = next && known.choices[next.place];
      return Promise.resolve({
        candidates: choice ? [toCandidate(known, choice, parent.kernel.kernelId, reasonOf(next))] : [],
        exhausted: choice === undefined,
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      });
    },
  };
}

function factsOf({ task, space }: TunableChoices, point: Readonly<Record<string, number>>): PointFacts {
  const values = Object.keys(space.parameters).map((name) => point[name] as number);
  const [launch] = space.launches;
  if (!launch) return { values };
  const sizes = { ...task.workload.sizes, ...point };
  const threads = launch.block.reduce<number>((product, axis) => product * evaluateExpression(axis, sizes), 1);
  return { values, threads };
}

/** Results of points of the space; the machine code of another kernel has that one's runtime. */
function outcomesOf(
  history: readonly PastProposal[],
  placeOf: (kernel: Kernel) => number | undefined,
): readonly Outcome[] {
  const runtimes = new Map<string, number>();
  for (const { kernel, outcome } of history) {
    if (outcome.kind === "ok") runtimes.set(kernel.kernelId, Math.log2(outcome.runtimeUs));
  }
  return history.flatMap(({ kernel, outcome }) => {
    const place = placeOf(kernel);
    const log2Us = runtimes.get(outcome.kind === "duplicate" ? outcome.of : kernel.kernelId) ?? null;
    const isUnknown = outcome.kind === "duplicate" && log2Us === null;
    return place === undefined || isUnknown ? [] : [{ place, log2Us: outcome.kind === "failed" ? null : log2Us }];
  });
}

/** Whether outcomes begin with those that were learnt. A confirmation may change a runtime: then all is learnt anew. */
function continues(learnt: readonly Outcome[], outcomes: readonly Outcome[]): boolean {
  return learnt.every(({ place, log2Us }, at) => outcomes[at]?.place === place && outcomes[at].log2Us === log2Us);
}

function takenPlaces(
  { parent, history = [], underWay = [], duplicates = [] }: ProposeContext,
  placeOf: (kernel: Kernel) => number | undefined,
): ReadonlySet<number | undefined> {
  const again = duplicates.flatMap((duplicate) => [duplicate.kernel, duplicate.of]);
  const kernels = [parent.kernel, ...history.map(({ kernel }) => kernel), ...underWay, ...again];
  return new Set(kernels.map(placeOf));
}

function reasonOf({ forecast }: NextPoint): string {
  if (!forecast) return "spread over the space";
  const { log2Us, width, pOk } = forecast;
  const [low, high] = [2 ** (log2Us - width), 2 ** (log2Us + width)].map((value) => value.toPrecision(3));
  return `${low} to ${high} µs expected${pOk < 0.99 ? `, ok at ${Math.round(100 * pOk)} %` : ""}`;
}
