import type { TrainerEvent } from "./trainer-events.ts";

const bars = "▁▂▃▄▅▆▇█";

/** Values of a curve that are shown. */
const shownValues = 24;

/** The latest values as one line of bars, from the least to the most of them. */
export function sparkline(values: readonly number[]): string {
  const shown = values.slice(-shownValues);
  const least = Math.min(...shown);
  const range = Math.max(...shown) - least || 1;
  return shown.map((value) => bars[Math.min(7, Math.floor((8 * (value - least)) / range))]).join("");
}

/** Tells of a run line by line, with the curve of what it is to raise or lower. */
export function createTeller(): (event: TrainerEvent) => string {
  const curve: number[] = [];
  let steps = 0;
  return (event) => {
    if (event.event === "start") steps = event.steps;
    if (event.event === "step") curve.push(event.reward ?? event.loss ?? 0);
    return describe(event, steps, curve);
  };
}

function describe(event: TrainerEvent, steps: number, curve: readonly number[]): string {
  switch (event.event) {
    case "data":
      return `${event.split}: ${event.examples} prompts${event.too_long > 0 ? `, ${event.too_long} left out as too long` : ""}`;
    case "start": {
      const from = event.resumed_from > 0 ? `, going on from step ${event.resumed_from}` : "";
      const device = event.device === "CPU" ? "the CPU (PyTorch finds no GPU)" : event.device;
      return `${event.kind} on ${device}: ${event.steps} steps, ${event.trained} of ${event.parameters} parameters${from}`;
    }
    case "step": {
      const { step, step_seconds: seconds, rollouts } = event;
      const rate = rollouts ? [`${(rollouts / seconds).toFixed(1)} answers/s`] : [];
      const parts = [...metrics(event, ["reward", "loss", "kl", "unread"]), ...rate, `${seconds.toFixed(1)} s`];
      return `step ${step}/${steps} ${sparkline(curve)} ${parts.join(", ")}`;
    }
    case "judge":
      return `${event.split}, ${event.kernels} kernels: ${metrics(event, ["correctness", "crps", "pairwise", "unread", "coverage 80"]).join(", ")}`;
    default:
      return Object.entries(event)
        .filter(([name]) => name !== "seconds")
        .map(([name, value]) => (name === "event" ? String(value) : `${name} ${JSON.stringify(value)}`))
        .join(" ");
  }
}

function metrics(event: Readonly<Record<string, unknown>>, names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const value = event[name];
    return typeof value === "number" ? [`${name} ${value.toFixed(3)}`] : [];
  });
}
