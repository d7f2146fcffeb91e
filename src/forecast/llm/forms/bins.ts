import { beliefOfBins, binLetters, binTable } from "../bins.ts";
import type { Belief, Form, Scale } from "../form.ts";
import { numberOf, probabilityOf, readEntries } from "../read-entries.ts";

/** Sums of probabilities that are taken as meant to be 1. Models often miss it by as much. */
const sumRange = [0.75, 1.25] as const;

/** Sums to 1: small models copy an example of zeros as it stands. */
const exampleBins = [0, 0, 0, 0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0, 0, 0];

/** Verbalised bins, one kernel at a time: the published form, with p_ok besides, and bins from the one table. */
export const binsForm: Form<Belief> = {
  name: "bins",
  listwise: false,
  samples: 1,
  thinks: true,
  needsScale: true,
  instructions: `One kernel is asked for. State
- p_ok: the probability, 0 to 1, that it works;
- bins: should it work, the probability of each bin of its time, relative to the measured kernel that the question names:
${binTable()}
The thirteen probabilities sum to 1. They are to be honest: of many kernels, what you give 0.3 happens for 3 of 10. Do not put all on one bin.
Answer with one JSON object and nothing else:
{"kernel": "K01", "p_ok": 0.93, "bins": {${binLetters.map((letter, bin) => `"${letter}": ${exampleBins[bin]}`).join(", ")}}}`,
  ask: ([label], scale) =>
    `Forecast ${label} relative to ${scale?.label ?? "the measured kernel"}. Answer with the JSON object alone.`,
  schema: (labels) => ({
    type: "object",
    additionalProperties: false,
    required: ["kernel", "p_ok", "bins"],
    properties: {
      kernel: { type: "string", enum: labels },
      p_ok: { type: "number" },
      bins: {
        type: "object",
        additionalProperties: false,
        required: binLetters,
        properties: Object.fromEntries(binLetters.map((letter) => [letter, { type: "number" }])),
      },
    },
  }),
  answerTokens: () => 200,
  read: ({ text }, labels, scale) => readEntries(text, labels, (entry) => readBins(entry, scale)),
  combine: ([belief]) => belief,
};

function readBins(entry: Readonly<Record<string, unknown>>, scale: Scale | undefined) {
  const pOk = probabilityOf(entry["p_ok"]);
  if (pOk === undefined) return { kind: "range", message: "p_ok must be a number from 0 to 1" };
  const bins = entry["bins"];
  if (typeof bins !== "object" || bins === null) return { kind: "range", message: "bins must be an object" };
  const named = bins as Readonly<Record<string, unknown>>;
  const stranger = Object.keys(named).find((letter) => !binLetters.includes(letter));
  if (stranger !== undefined) return { kind: "not-a-bin", message: `there is no bin ${stranger.slice(0, 20)}` };
  // A bin that is left out has nothing.
  const probabilities = binLetters.map((letter) => numberOf(named[letter] ?? 0) ?? Number.NaN);
  if (!probabilities.every((one) => one >= 0)) {
    return { kind: "range", message: "the probabilities of bins must be numbers of at least 0" };
  }
  const sum = probabilities.reduce((total, one) => total + one, 0);
  if (!(sum >= sumRange[0] && sum <= sumRange[1])) {
    return { kind: "sum", message: `the probabilities of the bins sum to ${Number(sum.toPrecision(3))}, not to 1` };
  }
  return { reading: beliefOfBins(probabilities, pOk, scale?.log2Us ?? 0) };
}
