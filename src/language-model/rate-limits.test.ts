import { describe, expect, it } from "vitest";
import { createGate, type ProviderLimits } from "./rate-limits.ts";

/** Time that passes only when all who wait have slept. */
function steppedClock() {
  let now = 0;
  let sleeping: { at: number; wake: () => void }[] = [];
  return {
    now: () => now,
    sleep: (seconds: number) => new Promise<void>((wake) => sleeping.push({ at: now + seconds, wake })),
    async run(until: number): Promise<void> {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        const next = sleeping.sort((a, b) => a.at - b.at)[0];
        if (!next || next.at > until) return;
        sleeping = sleeping.slice(1);
        now = next.at;
        next.wake();
      }
    },
  };
}

async function entryTimes(limits: ProviderLimits, count: number, tokens: number, used = tokens): Promise<number[]> {
  const clock = steppedClock();
  const gate = createGate(limits, clock);
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    void gate.enter(tokens).then((turn) => {
      times.push(clock.now());
      turn.leave(used);
    });
  }
  await clock.run(3600);
  return times;
}

describe("a provider's gate", () => {
  it("lets a burst through and then keeps to the requests per minute", async () => {
    const times = await entryTimes({ concurrency: 1000, requestsPerMinute: 60 }, 70, 1);
    expect(times).toHaveLength(70);
    expect(times.filter((time) => time === 0)).toHaveLength(10);
    expect(times.at(-1)).toBeCloseTo(60, 6);
    for (let from = 0; from <= 50; from += 10) {
      expect(times.filter((time) => time > from && time <= from + 10).length).toBeLessThanOrEqual(10);
    }
  });

  it("keeps to the tokens per minute, also for requests larger than a burst", async () => {
    const times = await entryTimes({ concurrency: 1000, tokensPerMinute: 6000 }, 5, 2000);
    expect(times.map((time) => Math.round(time))).toEqual([10, 30, 50, 70, 90]);
  });

  it("gives back the tokens that a request did not use", async () => {
    const times = await entryTimes({ concurrency: 1, tokensPerMinute: 6000 }, 5, 1000, 100);
    expect(times.at(-1)).toBeLessThan(10);
  });

  it("lets nothing through while it is paused", async () => {
    const clock = steppedClock();
    const gate = createGate({}, clock);
    gate.pause(5);
    gate.pause(3);
    let entered = -1;
    void gate.enter(1).then(() => (entered = clock.now()));
    await clock.run(60);
    expect(entered).toBe(5);
  });

  it("hands places on in order, and those of the aborted to the next", async () => {
    const gate = createGate({ concurrency: 1 }, steppedClock());
    const first = await gate.enter(1);
    const control = new AbortController();
    const order: string[] = [];
    const second = gate.enter(1, control.signal).catch(() => order.push("aborted"));
    const third = gate.enter(1).then((turn) => {
      order.push("third");
      turn.leave(1);
    });
    const fourth = gate.enter(1).then(() => order.push("fourth"));
    control.abort();
    first.leave(1);
    await Promise.all([second, third, fourth]);
    expect(order).toEqual(["aborted", "third", "fourth"]);
  });
});
