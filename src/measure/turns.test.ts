import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

const kinds = fc.constantFrom("together" as const, "alone" as const);

describe("Turns", () => {
  it("never lets anything run beside what runs alone, and lets everything run", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(kinds, { maxLength: 12 }), async (scheduler, wanted) => {
        const turns = new Turns();
        const running = { together: 0, alone: 0 };
        let done = 0;
        const work = wanted.map((kind) =>
          turns.take(kind, async () => {
            running[kind]++;
            expect(running.alone === 0 || (running.alone === 1 && running.together === 0)).toBe(true);
            await scheduler.schedule(Promise.resolve());
            running[kind]--;
            done++;
          }),
        );
        await scheduler.waitFor(Promise.all(work));
        expect(done).toBe(wanted.length);
      }),
      { numRuns: 100 },
    );
  });

  it("ends the turn of work that fails", async () => {
    const turns = new Turns();
    await expect(turns.take("alone", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await expect(turns.take("together", () => Promise.resolve(1))).resolves.toBe(1);
  });
});
