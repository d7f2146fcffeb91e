/** The study's learning curves, from the trainer's events. */
import {
  learningChart,
  smoothed,
  type LearningChartOptions,
  type LearningCurve,
} from "../../src/report/training/learning-charts.ts";
import type { StudyArm, FinishedRun } from "./study.ts";

type Point = LearningCurve["points"][number];

interface Curve extends Omit<LearningChartOptions, "arms"> {
  readonly kinds: readonly StudyArm["kind"][];
  readonly points: (run: FinishedRun) => readonly Point[];
}

const mostPoints = 60;
const learned = ["supervised", "proper", "rl"] as const;

const curves: Readonly<Record<string, Curve>> = {
  reward: {
    kinds: ["rl"],
    ariaLabel: "Mean reward of the answers drawn, against steps, by arm",
    label: "reward (each arm's own)",
    points: ofSteps("reward"),
  },
  kl: {
    kinds: ["rl"],
    ariaLabel: "KL divergence to the model that training started from, against steps, by arm",
    label: "KL to the start, nats a token",
    points: ofSteps("kl"),
  },
  unread: {
    kinds: ["rl"],
    ariaLabel: "Share of kernels whose drawn answer could not be read, against steps, by arm",
    label: "share unread",
    points: ofSteps("unread"),
  },
  "validation-crps": {
    kinds: learned,
    ariaLabel: "CRPS on validation against steps, by arm",
    label: "CRPS on validation, kernels with a forecast",
    points: ofJudgements("validation", "crps"),
  },
  "train-crps": {
    kinds: learned,
    ariaLabel: "CRPS on a sample of what is learned from against steps, by arm",
    label: "CRPS on train, kernels with a forecast",
    points: ofJudgements("train", "crps"),
  },
  "validation-pairwise": {
    kinds: learned,
    ariaLabel: "Pairwise accuracy on validation against steps, by arm",
    label: "pairwise accuracy on validation",
    points: ofJudgements("validation", "pairwise"),
  },
  "train-pairwise": {
    kinds: learned,
    ariaLabel: "Pairwise accuracy on a sample of what is learned from against steps, by arm",
    label: "pairwise accuracy on train",
    points: ofJudgements("train", "pairwise"),
  },
  loss: {
    kinds: ["supervised", "proper"],
    ariaLabel: "Loss of supervised training against steps, by arm",
    label: "loss",
    points: ofSteps("loss"),
  },
};

function ofSteps(name: "reward" | "kl" | "unread" | "loss"): Curve["points"] {
  return ({ log }) => {
    const points = log.steps.flatMap((one) => (one[name] == null ? [] : [{ step: one.step, value: one[name] }]));
    return smoothed(points, mostPoints);
  };
}

function ofJudgements(wanted: string, score: "crps" | "pairwise"): Curve["points"] {
  return ({ log }) =>
    log.judgements.flatMap(({ split, step, [score]: value }) =>
      split !== wanted || value == null ? [] : [{ step, value }],
    );
}

/** SVG files by name and what they show; none of a curve that no run has. */
export function drawCurves(
  arms: readonly (StudyArm & { readonly found: readonly FinishedRun[] })[],
): { readonly name: string; readonly label: string; readonly svg: string }[] {
  const trained = arms.filter(({ found }) => found.some(({ log }) => log.steps.length > 0)).map(({ label }) => label);
  return Object.entries(curves).flatMap(([name, { kinds, points, ...options }]) => {
    const drawn = arms
      .filter(({ kind }) => kinds.includes(kind))
      .flatMap(({ label, found }) => found.map((run) => ({ arm: label, run: run.name, points: points(run) })))
      .filter((curve) => curve.points.length > 0);
    return drawn.length === 0
      ? []
      : [{ name: `${name}.svg`, label: options.ariaLabel, svg: learningChart(drawn, { ...options, arms: trained }) }];
  });
}
