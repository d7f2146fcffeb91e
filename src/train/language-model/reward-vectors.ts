import { keyedUniform } from "../../domain/index.ts";
import { beliefOfBins, binLetters } from "../../forecast/llm/bins.ts";
import type { Belief, Form } from "../../forecast/llm/form.ts";
import { doublingsForm } from "../../forecast/llm/forms/doublings.ts";
import { quantilesForm } from "../../forecast/llm/forms/quantiles.ts";
import { reward, rewardNames, type RewardedTruth } from "./rewards.ts";

/** Answers as models write them, right and wrong, for the kernels K01 and K02. */
const answers: readonly string[] = [
  '{"forecasts": [{"kernel": "K01", "p_ok": 0.93, "us_p10": 81.5, "us_p50": 96, "us_p90": 120}, {"kernel": "K02", "p_ok": 0.2, "us_p10": 10, "us_p50": 12, "us_p90": 15}]}',
  'Memory bound.\n```json\n{"forecasts": [{"kernel": "k01 ", "p_ok": "0.5", "us_p10": "8", "us_p50": "9e0", "us_p90": 10}]}\n```',
  '<think>{"kernel": "K02"}</think>[{"kernel": "K02", "p_ok": 1, "us_p10": 0.01, "us_p50": 0.01, "us_p90": 0.01}]',
  '{"forecasts": [{"kernel": "K01", "p_ok": 0, "us_p10": 5, "us_p50": 6, "us_p90": 7}, {"kernel": "K02", "p_ok": 0.9',
  '{"forecasts": [{"kernel": "K01", "p_ok": 0.9, "us_p10": 9, "us_p50": 6, "us_p90": 7}]}',
  '{"forecasts": [{"kernel": "K01", "p_ok": 0.9, "us_p10": 5, "us_p50": 6, "us_p90": 7}, {"kernel": "K01", "p_ok": 0.9, "us_p10": 5, "us_p50": 6, "us_p90": 7}]}',
  '{"forecasts": [{"kernel": "K03", "p_ok": 0.9, "us_p10": 5, "us_p50": 6, "us_p90": 7}]}',
  '{"kernel": "K01", "p_ok": 1.5, "us_p10": 5, "us_p50": 6, "us_p90": 7}\n{"kernel": "K02", "p_ok": 0.4, "us_p10": 50, "us_p50": 60, "us_p90": 70}',
  '{"forecasts": [{"kernel": "K01", "p_ok": 0.9, "us_p10": NaN, "us_p50": 6, "us_p90": 7}]}',
  '{"forecasts": []}',
  "I cannot tell.",
  "",
];

/** The same in doublings of a measured kernel's time. */
const doubledAnswers: readonly string[] = [
  '{"forecasts": [{"kernel": "K01", "because": "as M1 {", "doublings": -0.62, "less": 0.25, "more": 0.4, "p_ok": 0.93}, {"kernel": "K02", "doublings": "2", "less": 0, "more": "1e0", "p_ok": 0.2}]}',
  '{"forecasts": [{"kernel": "K01", "doublings": 0.5, "less": -0.1, "more": 0.4, "p_ok": 0.9}, {"kernel": "K02", "doublings": 0.5, "less": 0.1, "p_ok": 0.9}]}',
  '{"forecasts": [{"kernel": "K01", "doublings": 60, "less": 0, "more": 0, "p_ok": 0.9}, {"kernel": "K02", "doublings": -3, "less": 9, "more": 0, "p_ok": 0.9}]}',
  '{"forecasts": [{"kernel": "K01", "doublings": 5000, "less": 0, "more": 0, "p_ok": 0.9}, {"kernel": "K02", "doublings": 0, "less": 0.2, "more": 0.2, "p_ok": -1}]}',
];

const doubledScale = { label: "M1", log2Us: 5.5 } as const;

const labels = ["K01", "K02"] as const;

/** Cases of the three things that the trainer does as we do: reading an answer, spreading bins, rewarding. */
export function rewardVectors(): object {
  return {
    answers: answers.map((text) => ({ text, readings: readingsOf(quantilesForm, text) })),
    doublings: doubledAnswers.map((text) => ({
      text,
      scaleLog2Us: doubledScale.log2Us,
      readings: readingsOf(doublingsForm, text),
    })),
    bins: Array.from({ length: 12 }, (_, index) => binCase(index)),
    rewards: Array.from({ length: 60 }, (_, index) => rewardCase(index)),
  };
}

function readingsOf(form: Form<Belief>, text: string): object {
  const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const answer = { kind: "text", text, usage, usd: 0, latencySeconds: 0, kept: false } as const;
  return Object.fromEntries(form.read(answer, labels, doubledScale).readings);
}

function binCase(index: number): object {
  const draws = binLetters.map((letter) => keyedUniform("bins", index, letter));
  // Some have gaps, one has everything in one bin.
  const probabilities = draws.map((draw, bin) => (index === 0 ? Number(bin === 7) : draw < 0.4 ? 0 : draw ** 3));
  const scaleLog2Us = 12 * keyedUniform("bin scale", index);
  return { probabilities, scaleLog2Us, belief: beliefOfBins(probabilities, 0.5, scaleLog2Us) };
}

function rewardCase(index: number): object {
  const draw = (what: string): number => keyedUniform(what, index);
  const scaleLog2Us = 2 + 10 * draw("scale");
  const belief: Belief = {
    pOk: 0.001 + 0.998 * draw("p ok"),
    m: scaleLog2Us + 3 * (draw("median") - 0.5),
    sigmaLow: 10 ** (-2.5 + 3 * draw("low")),
    sigmaHigh: 10 ** (-2.5 + 3 * draw("high")),
  };
  const log2Us = draw("works") < 0.25 ? null : scaleLog2Us + 4 * (draw("outcome") - 0.5);
  const truth: RewardedTruth = { log2Us, scaleLog2Us };
  const isUnread = index % 15 === 0;
  const rewards = Object.fromEntries(
    rewardNames.map((name) => [name, reward(name, isUnread ? undefined : belief, truth)]),
  );
  return { belief: isUnread ? null : belief, ...truth, rewards };
}
