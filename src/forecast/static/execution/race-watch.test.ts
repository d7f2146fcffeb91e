import { describe, expect, it } from "vitest";
import { RaceWatch } from "./race-watch.ts";

/** Steps of warps: write, read or atomic, `[what, offset, bytes, warp, barriers before]`. Returns what each was told. */
function watch(
  ...steps: readonly (readonly ["write" | "read" | "atomic", number, number, number, number])[]
): unknown[] {
  const watched = new RaceWatch(64);
  return steps.map(([what, offset, bytes, warp, barriers]) =>
    what === "read"
      ? watched.read(offset, bytes, barriers, warp)
      : watched.write(offset, bytes, barriers, warp, what === "atomic", true),
  );
}

describe("RaceWatch", () => {
  it("lets a warp use what it has written, and others after a barrier", () => {
    expect(watch(["write", 0, 4, 0, 0], ["read", 0, 4, 0, 0], ["read", 0, 4, 1, 1])).toEqual([
      false,
      undefined,
      undefined,
    ]);
  });

  it("tells of a read that another warp's write has not been kept from", () => {
    expect(watch(["write", 0, 4, 0, 0], ["read", 0, 4, 1, 0])).toEqual([false, "race"]);
  });

  it("tells of a write to what another warp has read or written", () => {
    expect(watch(["write", 0, 4, 0, 0], ["read", 0, 4, 0, 1], ["write", 0, 4, 1, 1])).toEqual([false, undefined, true]);
    expect(watch(["write", 4, 4, 0, 0], ["write", 4, 4, 1, 0])).toEqual([false, true]);
  });

  it("tells bytes of one word apart", () => {
    expect(watch(["write", 0, 2, 0, 0], ["write", 2, 2, 1, 0])).toEqual([false, false]);
    expect(watch(["write", 1, 1, 0, 0], ["read", 0, 4, 1, 0])).toEqual([false, "race"]);
  });

  it("lets atomics meet atomics, but not plain reads behind them", () => {
    expect(watch(["atomic", 0, 4, 0, 0], ["atomic", 0, 4, 1, 0], ["read", 0, 4, 2, 0])).toEqual([false, false, "race"]);
    expect(watch(["write", 0, 4, 0, 0], ["read", 0, 4, 0, 1], ["atomic", 0, 4, 1, 1])).toEqual([
      false,
      undefined,
      false,
    ]);
  });

  it("tells of what nothing has written", () => {
    expect(watch(["write", 0, 4, 0, 0], ["read", 0, 8, 0, 0])).toEqual([false, "unwritten"]);
  });
});
