import type { ExecutionFacts } from "./execution/execution-facts.ts";
import type { FaultKind } from "./execution/regions.ts";

interface ExecutionFeature {
  readonly name: string;
  readonly value: (facts: ExecutionFacts) => number;
}

const outside: readonly FaultKind[] = ["globalRead", "globalWrite", "wildAddress", "localRange", "misaligned"];

function has({ faults }: ExecutionFacts, kinds: readonly FaultKind[]): number {
  return kinds.some((kind) => (faults[kind] ?? 0) > 0) ? 1 : 0;
}

/** Share of the compared outputs that differ; NaN where none was compared. */
function differing({ compared, differing: found }: ExecutionFacts): number {
  return compared === 0 ? Number.NaN : found / compared;
}

/** How many kinds of fault a run has shown; each alone is too rare to learn from. */
function signs(facts: ExecutionFacts): number {
  const found = [
    facts.refused,
    facts.endless || facts.ending === "waiting",
    facts.mistyped,
    has(facts, outside) > 0,
    has(facts, ["sharedRange"]) > 0,
    has(facts, ["race"]) > 0,
    has(facts, ["unwrittenShared"]) > 0 && differing(facts) !== 0,
    has(facts, ["unwrittenGlobal"]) > 0 && differing(facts) !== 0,
    differing(facts) > 0.02,
    facts.coverage < 0.99,
  ];
  return found.filter(Boolean).length;
}

/** Whether a run got to its end: 1, to its last permitted step: 0.5, or nowhere: 0. */
function ended({ ending }: ExecutionFacts): number {
  if (ending === "done") return 1;
  return ending === "steps" ? 0.5 : 0;
}

/** Features of what running some of a kernel's blocks showed. Where inputs are guesses, so is what differs. */
export const executionFeatures: readonly ExecutionFeature[] = [
  { name: "run: signs", value: (facts) => (facts.guessed ? Number.NaN : signs(facts)) },
  { name: "run: signs, inputs guessed", value: (facts) => (facts.guessed ? signs(facts) : Number.NaN) },
  { name: "run: refused", value: ({ refused }) => Number(refused) },
  { name: "run: mistyped", value: ({ mistyped }) => Number(mistyped) },
  { name: "run: endless", value: ({ endless, ending }) => (endless ? 1 : ending === "waiting" ? 0.5 : 0) },
  { name: "run: outside", value: (facts) => has(facts, outside) },
  { name: "run: outside shared", value: (facts) => has(facts, ["sharedRange"]) },
  { name: "run: race", value: (facts) => has(facts, ["race"]) },
  { name: "run: unwritten", value: (facts) => has(facts, ["unwrittenShared"]) + 2 * has(facts, ["unwrittenGlobal"]) },
  { name: "run: barrier apart", value: (facts) => has(facts, ["divergentBarrier"]) },
  { name: "run: differing", value: (facts) => (facts.guessed ? Number.NaN : differing(facts)) },
  { name: "run: differing, inputs guessed", value: (facts) => (facts.guessed ? differing(facts) : Number.NaN) },
  { name: "run: compared", value: ({ compared }) => Math.log2(1 + compared) },
  { name: "run: coverage", value: ({ coverage }) => coverage },
  { name: "run: ended", value: ended },
];
