import type { Belief, Form } from "../form.ts";
import { microsecondsOf, readEntries } from "../read-entries.ts";
import { listSchema } from "./quantiles.ts";

/** One guess: log2 of the time in µs, and whether the kernel works. */
interface Guess {
  readonly works: boolean;
  readonly log2Us: number;
}

/** How far guesses are taken to be off where all agree, in log2 units: k answers of one model are no k opinions. */
const leastSpread = 0.1;

/** As many guesses as this widen or narrow the spread as much as `leastSpread` does. */
const leastSpreadWeight = 1;

/** k samples: the model guesses a time for each kernel k times, and the guesses are the distribution. */
export function samplesForm(samples: number): Form<Guess> {
  return {
    name: "samples",
    listwise: true,
    samples,
    temperature: 1,
    thinks: true,
    needsScale: false,
    instructions: `For each kernel that is asked for, state
- works: true or false, your one guess whether it works;
- us: your one guess of its time in microseconds, should it work.
Answer with one JSON object and nothing else, an entry for every kernel that is asked for, by its label:
{"forecasts": [{"kernel": "K01", "works": true, "us": 96}, ...]}`,
    ask: (labels) => `Guess ${labels.join(", ")}. Answer with the JSON object alone.`,
    schema: listSchema([
      ["works", { type: "boolean" }],
      ["us", { type: "number" }],
    ]),
    answerTokens: (count) => 60 + 35 * count,
    read: ({ text }, labels) => readEntries(text, labels, readGuess),
    combine: (guesses) => (2 * guesses.length < samples ? undefined : believe(guesses)),
  };
}

function readGuess(entry: Readonly<Record<string, unknown>>) {
  const { works } = entry;
  const us = microsecondsOf(entry["us"]);
  if (typeof works !== "boolean") return { kind: "range", message: "works must be true or false" };
  if (us === undefined) return { kind: "range", message: "us must be microseconds above 0" };
  return { reading: { works, log2Us: Math.log2(us) } };
}

function believe(guesses: readonly Guess[]): Belief {
  const sorted = guesses.map(({ log2Us }) => log2Us).toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const m = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2;
  const spread = (side: readonly number[]): number =>
    Math.sqrt(
      (leastSpreadWeight * leastSpread ** 2 + side.reduce((sum, value) => sum + (value - m) ** 2, 0)) /
        (leastSpreadWeight + side.length),
    );
  return {
    pOk: (guesses.filter(({ works }) => works).length + 0.5) / (guesses.length + 1),
    m,
    sigmaLow: spread(sorted.filter((value) => value < m)),
    sigmaHigh: spread(sorted.filter((value) => value > m)),
  };
}
