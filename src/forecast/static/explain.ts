import type { ForecastReason } from "../../domain/index.ts";
import { correct } from "./anchor-correction.ts";
import { featureGroups } from "./feature-words.ts";
import { factsDistance, featureVector } from "./features.ts";
import { predict, sigmoid } from "./gbdt/model.ts";
import type { KernelFacts } from "./kernel-facts.ts";
import type { ForecastContext } from "./static-forecaster.ts";
import { predictRatio, type StaticModel } from "./static-model.ts";

/** Reasons that are told, at most. */
const toldReasons = 5;
/** Changes below this (log2 of the runtime, plus p_ok) are not worth a word. */
const smallestChange = 0.01;

/**
 * What moved a forecast: of each fact, how the forecast differs from that of a kernel with the seed kernel's value in its
 * place, all else equal; and what measured kernels that are alike add. Most first.
 */
export function explainForecast(model: StaticModel, facts: KernelFacts, context: ForecastContext): ForecastReason[] {
  const row = featureVector(facts, context);
  const seedRow = featureVector(context.seed.facts, context);
  const own = view(model, row);
  const reasons = featureGroups.flatMap(({ words, indices, show }): ForecastReason[] => {
    if (indices.every((index) => Object.is(row[index], seedRow[index]))) return [];
    const replaced = Float64Array.from(row);
    for (const index of indices) replaced[index] = seedRow[index] as number;
    const other = view(model, replaced);
    const [shown = 0] = indices;
    const told = (value: number): string => (Number.isNaN(value) ? "not known" : show(value, context.seed.log2Us));
    return [
      {
        what: words,
        value: told(row[shown] as number),
        anchorValue: told(seedRow[shown] as number),
        log2Change: own.ratio - other.ratio,
        pOkChange: own.pOk - other.pOk,
      },
    ];
  });
  return [...reasons, ...anchorReason(model, facts, context)]
    .filter((reason) => weight(reason) >= smallestChange)
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, toldReasons);
}

function weight({ log2Change, pOkChange }: ForecastReason): number {
  return Math.abs(log2Change) + Math.abs(pOkChange);
}

function view(model: StaticModel, row: Float64Array): { readonly ratio: number; readonly pOk: number } {
  const { okSlope, okShift } = model.calibration;
  return { ratio: predictRatio(model, row), pOk: sigmoid(okSlope * predict(model.ok, row) + okShift) };
}

function anchorReason(model: StaticModel, facts: KernelFacts, { anchors }: ForecastContext): ForecastReason[] {
  const errors = anchors.map(({ facts: other, error }) => ({ distance: factsDistance(facts, other), error }));
  const { shift } = correct(model.calibration.anchors, errors);
  const nearest = Math.min(...errors.map(({ distance }) => distance));
  return [
    {
      what: "measured kernels, the more alike the more they count",
      value: `${anchors.length} of them, the nearest ${Number(nearest.toPrecision(2))} away`,
      anchorValue: "none",
      log2Change: shift,
      pOkChange: 0,
    },
  ];
}
