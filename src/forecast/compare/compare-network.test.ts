import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { CompareNetwork, type ComparedAnchor } from "./compare-network.ts";
import { decodeFloat16, readWeights } from "./network-weights.ts";

interface Fixture {
  readonly width: number;
  readonly tensors: Readonly<Record<string, { readonly shape: number[]; readonly data: string }>>;
  readonly cases: readonly {
    readonly candidate: readonly (number | null)[];
    readonly anchors: readonly {
      readonly features: readonly number[];
      readonly log2Ratio: number;
      readonly alike: readonly [number, number, number];
    }[];
    readonly expected: Readonly<Record<"m" | "sigmaLow" | "sigmaHigh" | "logOdds", number>>;
  }[];
}

const fixture = JSON.parse(await readFile(new URL("__fixtures__/network.json", import.meta.url), "utf8")) as Fixture;

const features = (values: readonly (number | null)[]): Float64Array =>
  Float64Array.from(values, (value) => value ?? Number.NaN);

describe("the comparison network", () => {
  const network = new CompareNetwork(
    readWeights("network.json", { features: 5, width: fixture.width, textWidth: 0 }, fixture.tensors),
  );
  const anchorsOf = (at: number): ComparedAnchor[] =>
    (fixture.cases[at]?.anchors ?? []).map(({ features: given, log2Ratio, alike }) => ({
      described: network.describe(features(given)),
      log2Ratio,
      alike,
    }));

  it.each(fixture.cases.map((one, at) => ({ at, anchors: one.anchors.length })))(
    "computes what PyTorch does with $anchors anchors",
    ({ at }) => {
      const { candidate, expected } = fixture.cases[at]!;
      const got = network.compare(network.describe(features(candidate)), anchorsOf(at));
      for (const [name, value] of Object.entries(expected)) expect(got[name as keyof typeof got]).toBeCloseTo(value, 4);
    },
  );

  it("does not depend on the order of the anchors", () => {
    const candidate = network.describe(features(fixture.cases[2]!.candidate));
    const there = network.compare(candidate, anchorsOf(2));
    const back = network.compare(candidate, anchorsOf(2).toReversed());
    expect(back.m).toBeCloseTo(there.m, 9);
    expect(back.logOdds).toBeCloseTo(there.logOdds, 9);
  });

  it("moves with the times of the anchors", () => {
    const candidate = network.describe(features(fixture.cases[2]!.candidate));
    const later = anchorsOf(2).map((anchor) => ({ ...anchor, log2Ratio: anchor.log2Ratio + 3 }));
    const [before, after] = [network.compare(candidate, anchorsOf(2)), network.compare(candidate, later)];
    expect(after.m - before.m).toBeCloseTo(3, 6);
    expect(after.sigmaLow).toBeCloseTo(before.sigmaLow, 6);
  });
});

describe("half-precision numbers", () => {
  it("are decoded with subnormals, infinities and signs", () => {
    const bits = [0x3c00, 0xc000, 0x0001, 0x7c00, 0x3555];
    const bytes = Buffer.from(Uint16Array.from(bits).buffer);
    expect(Array.from(decodeFloat16(bytes.toString("base64")))).toEqual([
      1,
      -2,
      2 ** -24,
      Number.POSITIVE_INFINITY,
      Math.fround((1 + 0x155 / 1024) * 2 ** -2),
    ]);
  });
});
