import type { Clock } from "./clock.ts";

export interface ProviderLimits {
  /** Requests under way at once; 16 by default. */
  readonly concurrency?: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** A place among the requests under way, to be left exactly once. */
export interface Turn {
  /** `tokens`: what the request used; undefined where nobody knows. */
  leave(tokens: number | undefined): void;
}

/** What one provider lets through; all its models share it. */
export interface Gate {
  /** Waits for a place, and for the rates. Rejects once the signal aborts. */
  enter(likelyTokens: number, signal?: AbortSignal): Promise<Turn>;
  /** Lets nothing through for a while, as a provider has asked. */
  pause(seconds: number): void;
}

export function createGate(limits: ProviderLimits, clock: Clock): Gate {
  const places = createPlaces(limits.concurrency ?? 16);
  const requests = createBucket(limits.requestsPerMinute, clock);
  const tokens = createBucket(limits.tokensPerMinute, clock);
  let openAt = -Infinity;
  return {
    async enter(likelyTokens, signal) {
      await places.take(signal);
      const delay = Math.max(requests.take(1), tokens.take(likelyTokens));
      try {
        if (delay > 0) await clock.sleep(delay, signal);
        for (let left = openAt - clock.now(); left > 0; left = openAt - clock.now()) await clock.sleep(left, signal);
      } catch (error) {
        requests.giveBack(1);
        tokens.giveBack(likelyTokens);
        places.giveBack();
        throw error;
      }
      return {
        leave(used) {
          if (used !== undefined) tokens.giveBack(likelyTokens - used);
          places.giveBack();
        },
      };
    },
    pause(seconds) {
      openAt = Math.max(openAt, clock.now() + seconds);
    },
  };
}

/** Places are handed on in the order in which they were asked for. */
function createPlaces(count: number) {
  let free = count;
  const waiting = new Set<() => void>();
  return {
    async take(signal: AbortSignal | undefined): Promise<void> {
      signal?.throwIfAborted();
      if (free > 0) {
        free -= 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const take = (): void => {
          signal?.removeEventListener("abort", abort);
          resolve();
        };
        const abort = (): void => {
          waiting.delete(take);
          reject(new Error("interrupted"));
        };
        waiting.add(take);
        signal?.addEventListener("abort", abort, { once: true });
      });
    },
    giveBack(): void {
      const [next] = waiting;
      if (!next) {
        free += 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}

/** Seconds' worth of a rate that may be used at once. */
const burstSeconds = 10;

/** A bucket that may be overdrawn: who overdraws it waits until it would have been full enough. */
function createBucket(perMinute: number | undefined, clock: Clock) {
  if (perMinute === undefined) return { take: () => 0, giveBack: () => undefined };
  const rate = perMinute / 60;
  const capacity = Math.max(1, rate * burstSeconds);
  let level = capacity;
  let filledAt = clock.now();
  const fill = (): void => {
    const now = clock.now();
    level = Math.min(capacity, level + (now - filledAt) * rate);
    filledAt = now;
  };
  return {
    take(amount: number): number {
      fill();
      level -= amount;
      return level >= 0 ? 0 : -level / rate;
    },
    giveBack(amount: number): void {
      fill();
      level = Math.min(capacity, level + amount);
    },
  };
}
