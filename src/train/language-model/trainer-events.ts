/** What the trainer tells of a run, a line of JSON each. */
import { z } from "zod";

const base = { seconds: z.number() };
const metric = z.number().nullish();

const dataEvent = z.looseObject({
  ...base,
  event: z.literal("data"),
  split: z.string(),
  examples: z.number(),
  too_long: z.number(),
});
const startEvent = z.looseObject({
  ...base,
  event: z.literal("start"),
  kind: z.string(),
  steps: z.number(),
  resumed_from: z.number(),
  parameters: z.number(),
  trained: z.number(),
  device: z.string(),
  processes: z.number().optional(),
});
const stepEvent = z.looseObject({
  ...base,
  event: z.literal("step"),
  step: z.number(),
  step_seconds: z.number(),
  loss: metric,
  reward: metric,
  kl: metric,
  unread: metric,
  rollouts: metric,
});
const judgeEvent = z.looseObject({
  ...base,
  event: z.literal("judge"),
  split: z.string(),
  kernels: z.number(),
  crps: metric,
  pairwise: metric,
  correctness: metric,
  unread: metric,
});
const otherEvents = z.looseObject({
  ...base,
  event: z.enum(["checkpoint", "stop", "done", "export"]),
});

export const trainerEventSchema = z.discriminatedUnion("event", [
  dataEvent,
  startEvent,
  stepEvent,
  judgeEvent,
  otherEvents,
]);

export type TrainerEvent = z.infer<typeof trainerEventSchema>;
