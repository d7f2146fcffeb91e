import { fromQuantiles } from "../../../domain/index.ts";
import type { Belief, Form, Scale } from "../form.ts";
import { microsecondsOf, numberOf, probabilityOf, readEntries } from "../read-entries.ts";
import { listSchema } from "./quantiles.ts";

const numbers = ["doublings", "less", "more", "p_ok"] as const;

/**
 * Listwise quantiles relative to a measured kernel, in log2 units, the median first: for models too small to multiply in their head. The
 * first digit tells roughly how long, each following one finer, and how sure to be is a number of its own.
 */
export const doublingsForm: Form<Belief> = {
  name: "doublings",
  listwise: true,
  samples: 1,
  thinks: true,
  needsScale: true,
  instructions: `Times are told in doublings of the time of the measured kernel that the question names, log2(time / its time): 0 is as long, 1 twice as long, -1 half as long, -3.32 a tenth. For each kernel that is asked for, state
- doublings: the median of its time, should it work;
- less, more: how far below and above the median the 10 % and 90 % quantiles of its time lie, in doublings, 0 or more;
- p_ok: the probability, 0 to 1, that it works.
They are to be honest: of many kernels, the measured time lies between the two quantiles for 8 of 10, above the higher for 1 of 10. Where you cannot tell, make them wide; where a kernel is nearly a measured one, make them narrow. Compare the kernels with each other too: their order matters most.
Answer with one JSON object and nothing else, an entry for every kernel that is asked for, by its label:
{"forecasts": [{"kernel": "K01", "doublings": -0.62, "less": 0.25, "more": 0.4, "p_ok": 0.93}, ...]}`,
  ask: (labels, scale) =>
    `Forecast ${labels.join(", ")}. Doublings are of the time of ${scale?.label ?? "the measured kernel"}. Answer with the JSON object alone.`,
  schema: listSchema(numbers.map((name) => [name, { type: "number" }])),
  answerTokens: (count) => 60 + 50 * count,
  read: ({ text }, labels, scale) => readEntries(text, labels, (entry) => readDoublings(entry, scale)),
  combine: ([belief]) => belief,
};

function readDoublings(entry: Readonly<Record<string, unknown>>, scale: Scale | undefined) {
  const pOk = probabilityOf(entry["p_ok"]);
  if (pOk === undefined) return { kind: "range", message: "p_ok must be a number from 0 to 1" };
  const [doublings = Number.NaN, less = Number.NaN, more = Number.NaN] = numbers.map((name) => numberOf(entry[name]));
  if (!(less >= 0 && more >= 0)) return { kind: "range", message: "less and more must be numbers of at least 0" };
  const median = doublings + (scale?.log2Us ?? 0);
  const [p10, p50, p90] = [median - less, median, median + more].map((log2Us) => microsecondsOf(2 ** log2Us));
  if (p10 === undefined || p50 === undefined || p90 === undefined) {
    return { kind: "range", message: "doublings, with less and more, must be a time that a kernel can take" };
  }
  return { reading: { pOk, ...fromQuantiles({ p10, p50, p90 }) } };
}
