import { describe, expect, it } from "vitest";
import type { Evidence, Kernel, Launch } from "../../domain/index.ts";
import { comparisonReason } from "./reasons.ts";

function shown(block: Launch["block"][0], evidence?: Evidence, count = 1) {
  const launch: Launch = { kernel: "f", grid: ["n", 1, 1], block: [block, 1, 1], smemBytes: 0, args: [] };
  const launches = Array.from({ length: count }, () => launch);
  const kernel = { kernelId: "k", taskId: "t", source: "", launches, compileOptions: [] } as unknown as Kernel;
  return { kernel, evidence };
}

const reason = (one: ReturnType<typeof shown>, other: ReturnType<typeof shown>) =>
  comparisonReason(one, other, "M1", { n: 8 });

describe("a reason by comparison", () => {
  it("tells the largest differences of launch and evidence first", () => {
    const measured = shown(128, { regs: 32, occupancy: 0.5 });
    expect(reason(shown(512, { regs: 40, occupancy: 0.25 }), measured)).toBe(
      "beside M1: threads a block 512, not 128; occupancy 0.25, not 0.5; registers 40, not 32",
    );
    expect(reason(shown(128, { regs: 32, occupancy: 0.5, spillBytes: 0 }), measured)).toBe("same figures as M1");
  });

  it("tells of what both show alone, and of no more than four", () => {
    expect(reason(shown(256), shown(128, { regs: 32 }))).toBe("beside M1: threads a block 256, not 128");
    const all = { regs: 1, staticSmem: 1, spillBytes: 1, occupancy: 0.01 };
    const none = { regs: 90, staticSmem: 900, spillBytes: 90, occupancy: 1 };
    expect(reason(shown(32, all, 2), shown(64, none)).split(";")).toHaveLength(4);
  });

  it("does without extents that cannot be evaluated", () => {
    expect(reason(shown("unknown + 1"), shown(128))).toBe("same figures as M1");
  });
});
