import { setTimeout as wait } from "node:timers/promises";

/** Time as the calls see it, in seconds; tests give their own. */
export interface Clock {
  now(): number;
  /** Rejects once the signal aborts. */
  sleep(seconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now() / 1000,
  sleep: (seconds, signal) => wait(seconds * 1000, undefined, signal ? { signal } : {}),
};
