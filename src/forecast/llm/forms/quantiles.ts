import { fromQuantiles } from "../../../domain/index.ts";
import type { Belief, Form } from "../form.ts";
import { microsecondsOf, probabilityOf, readEntries } from "../read-entries.ts";

const numbers = ["p_ok", "us_p10", "us_p50", "us_p90"] as const;

/** Listwise quantiles: for each kernel p_ok and the 10, 50 and 90 % quantiles of its runtime. */
export const quantilesForm: Form<Belief> = {
  name: "quantiles",
  listwise: true,
  samples: 1,
  thinks: true,
  needsScale: false,
  instructions: `For each kernel that is asked for, state
- p_ok: the probability, 0 to 1, that it works;
- us_p10, us_p50, us_p90: the 10 %, 50 % and 90 % quantiles of its time in microseconds, should it work.
Quantiles ascend. They are to be honest: of many kernels, the measured time lies between us_p10 and us_p90 for 8 of 10, above us_p90 for 1 of 10. Where you cannot tell, make them wide; where a kernel is nearly a measured one, make them narrow. Compare the kernels with each other too: their order matters most.
Answer with one JSON object and nothing else, an entry for every kernel that is asked for, by its label:
{"forecasts": [{"kernel": "K01", "p_ok": 0.93, "us_p10": 81.5, "us_p50": 96, "us_p90": 120}, ...]}`,
  ask: (labels) => `Forecast ${labels.join(", ")}. Answer with the JSON object alone.`,
  schema: listSchema(numbers.map((name) => [name, { type: "number" }])),
  answerTokens: (count) => 60 + 60 * count,
  read: ({ text }, labels) => readEntries(text, labels, readQuantiles),
  combine: ([belief]) => belief,
};

/** Schema of an answer `{"forecasts": [{"kernel": label, …}]}`. */
export function listSchema(
  properties: readonly (readonly [string, object])[],
): (labels: readonly string[]) => Readonly<Record<string, unknown>> {
  return (labels) => ({
    type: "object",
    additionalProperties: false,
    required: ["forecasts"],
    properties: {
      forecasts: {
        type: "array",
        items: {
          type: "object",
          additionalProperties: false,
          required: ["kernel", ...properties.map(([name]) => name)],
          properties: { kernel: { type: "string", enum: labels }, ...Object.fromEntries(properties) },
        },
      },
    },
  });
}

function readQuantiles(entry: Readonly<Record<string, unknown>>) {
  const pOk = probabilityOf(entry["p_ok"]);
  if (pOk === undefined) return { kind: "range", message: "p_ok must be a number from 0 to 1" };
  const [p10, p50, p90] = numbers.slice(1).map((name) => microsecondsOf(entry[name]));
  if (p10 === undefined || p50 === undefined || p90 === undefined) {
    return { kind: "range", message: "us_p10, us_p50 and us_p90 must be microseconds above 0" };
  }
  if (p10 > p50 || p50 > p90) return { kind: "order", message: "us_p10, us_p50 and us_p90 must ascend" };
  return { reading: { pOk, ...fromQuantiles({ p10, p50, p90 }) } };
}
