import type { EffectResult } from "./effects.ts";

/** A finished command: its result and when it ended, in the run's time. */
export interface Completion {
  readonly commandId: string;
  readonly result: EffectResult;
  readonly at: number;
}

/** Orders the ends of overlapping commands. */
export interface Scheduler {
  /** The run's time now, for its first event. */
  now(): number;
  start(commandId: string, issuedAt: number, effect: Promise<EffectResult>): void;
  /** The next command to end; rejects when its effect did. */
  next(): Promise<Completion>;
}

/**
 * Virtual time: a command ends at its issue plus its recorded duration; ties go by command id. Every duration is known
 * before the earliest end is handed out, so the order does not depend on this machine's speed.
 */
export function createVirtualScheduler(): Scheduler {
  const started: Promise<Completion>[] = [];
  const known: Completion[] = [];
  return {
    now: () => 0,
    start(commandId, issuedAt, effect) {
      const completion = effect.then((result) => ({ commandId, result, at: issuedAt + result.seconds }));
      completion.catch(() => undefined);
      started.push(completion);
    },
    async next() {
      known.push(...(await Promise.all(started.splice(0))));
      known.sort((a, b) => b.at - a.at || (a.commandId < b.commandId ? 1 : -1));
      const earliest = known.pop();
      if (!earliest) throw new Error("nothing is under way");
      return earliest;
    },
  };
}

/** Real time, in Unix seconds: commands end as their effects do. */
export function createLiveScheduler(clock: () => number = () => Date.now() / 1000): Scheduler {
  const ended: (() => Completion)[] = [];
  let wake: (() => void) | undefined;
  const push = (outcome: () => Completion): void => {
    ended.push(outcome);
    wake?.();
  };
  return {
    now: clock,
    start(commandId, _issuedAt, effect) {
      effect.then(
        (result) => push(() => ({ commandId, result, at: clock() })),
        (error: unknown) =>
          push(() => {
            throw error;
          }),
      );
    },
    async next() {
      while (ended.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return (ended.shift() as () => Completion)();
    },
  };
}
