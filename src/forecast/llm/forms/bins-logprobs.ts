import type { Generated, TokenChoice } from "../../../domain/index.ts";
import { beliefOfBins, binLetters, binTable, failureLetter } from "../bins.ts";
import type { Belief, Form, ReadAnswer, Scale } from "../form.ts";

const alphabet: readonly string[] = [...binLetters, failureLetter];

/** What a letter gets that is not among the alternatives given: it is at most as probable as the least of them. */
const unlistedShare = 0.1;

/** The share of the alternatives that must be letters, else the model did not understand the question. */
const leastShare = 0.02;

/** One token over the alphabet of bins, its log probabilities being the forecast; one kernel at a time. */
export const binsLogprobsForm: Form<Belief> = {
  name: "bins-logprobs",
  listwise: false,
  samples: 1,
  logprobs: 20,
  thinks: false,
  needsScale: true,
  instructions: `One kernel is asked for. Answer with one capital letter and nothing else: ${failureLetter} should it not work, else the bin of its time, relative to the measured kernel that the question names:
${binTable()}
${failureLetter}: it does not work`,
  ask: ([label], scale) => `Time of ${label} relative to ${scale?.label ?? "the measured kernel"}, as one letter:`,
  schema: () => undefined,
  answerTokens: () => 1,
  read: readLetters,
  combine: ([belief]) => belief,
};

function readLetters(
  { firstToken = [] }: Generated,
  [label = ""]: readonly string[],
  scale: Scale | undefined,
): ReadAnswer<Belief> {
  const wrong = (kind: string, message: string): ReadAnswer<Belief> => ({
    readings: new Map(),
    faults: [{ kind, label, message: `${label}: ${message}` }],
  });
  if (firstToken.length === 0) return wrong("no-logprobs", "the log probabilities of the first token are missing");
  const shares = letterShares(firstToken);
  const listed = [...shares.values()].reduce((sum, one) => sum + one, 0);
  if (!(listed >= leastShare)) return wrong("not-a-bin", `the answer must be one of ${alphabet.join(", ")}`);
  const rest = unlistedShare * Math.min(...firstToken.map(({ logprob }) => Math.exp(logprob)));
  const probabilities = binLetters.map((letter) => shares.get(letter) ?? rest);
  const works = probabilities.reduce((sum, one) => sum + one, 0);
  const fails = shares.get(failureLetter) ?? rest;
  const pOk = Math.min(0.999, Math.max(0.001, works / (works + fails)));
  return { readings: new Map([[label, beliefOfBins(probabilities, pOk, scale?.log2Us ?? 0)]]), faults: [] };
}

/** Probability of each letter, over the spellings of it among the tokens: `A`, ` A`, `"A`. */
function letterShares(choices: readonly TokenChoice[]): Map<string, number> {
  const shares = new Map<string, number>();
  for (const { token, logprob } of choices) {
    const letter = token.replace(/[\s"'`*▁Ġ]/g, "");
    const share = Math.exp(logprob);
    if (alphabet.includes(letter) && share >= 0) shares.set(letter, (shares.get(letter) ?? 0) + share);
  }
  return shares;
}
