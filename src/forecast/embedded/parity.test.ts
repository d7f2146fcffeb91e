import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CompareNetwork } from "../compare/compare-network.ts";
import { readWeights } from "../compare/network-weights.ts";
import { parseEmbeddedModel } from "./embedded-model.ts";
import { Encoder } from "./encoder.ts";

interface Described {
  readonly features: readonly (number | null)[];
  readonly vector: readonly number[];
}

interface Compared {
  readonly candidate: Described;
  readonly anchors: readonly (Described & { log2Ratio: number; alike: readonly [number, number, number] })[];
  readonly expected: Readonly<Record<"m" | "sigmaLow" | "sigmaHigh" | "logOdds", number>>;
}

/** Written by `python/tools/embedded_vectors.py`: what PyTorch makes of the same. */
interface Cases {
  readonly encoded: readonly { ids: readonly number[]; magnitudes: readonly number[]; vector: readonly number[] }[];
  readonly withoutFeatures: readonly Compared[];
  readonly both: {
    readonly width: number;
    readonly textWidth: number;
    readonly tensors: Readonly<Record<string, { readonly shape: number[]; readonly data: string }>>;
    readonly cases: readonly Compared[];
  };
}

const fixtures = new URL("__fixtures__/", import.meta.url);
const cases = JSON.parse(await readFile(new URL("cases.json", fixtures), "utf8")) as Cases;
const model = parseEmbeddedModel(await readFile(new URL("small/head.json", fixtures), "utf8"), "head.json");

function expectSame(network: CompareNetwork, { candidate, anchors, expected }: Compared): void {
  const describeOne = ({ features, vector }: Described) =>
    network.describe(
      Float64Array.from(features, (value) => value ?? Number.NaN),
      vector,
    );
  const placed = anchors.map((anchor) => ({ ...anchor, described: describeOne(anchor) }));
  const got = network.compare(describeOne(candidate), placed);
  for (const [name, value] of Object.entries(expected)) expect(got[name as keyof typeof got]).toBeCloseTo(value, 4);
}

describe("the comparison network with text", () => {
  const { width, textWidth, tensors } = cases.both;
  it.each(cases.both.cases)("computes what PyTorch does with features and text (case %#)", (one) => {
    expectSame(new CompareNetwork(readWeights("cases.json", { features: 5, width, textWidth }, tensors)), one);
  });

  it.each(cases.withoutFeatures)("computes what PyTorch does with text alone (case %#)", (one) => {
    expectSame(new CompareNetwork(model.head), one);
  });
});

describe("the encoder", () => {
  let encoder: Encoder;
  beforeAll(async () => {
    const path = fileURLToPath(new URL("small/encoder.onnx", fixtures));
    const { lengthStep, head } = model;
    encoder = await Encoder.open(await readFile(path), {
      path,
      lengthStep,
      width: head.textWidth,
      find: { env: { KERNELCAST_ONNX: "web" } },
    });
  });
  afterAll(() => encoder.close());

  it.each(cases.encoded)("reads kernels into the vectors of PyTorch, but for 8-bit weights (case %#)", async (one) => {
    const vector = await encoder.encode({ ids: one.ids, magnitudes: one.magnitudes, dropped: 0 });
    const size = Math.hypot(...one.vector);
    const distance = Math.hypot(...one.vector.map((value, at) => value - (vector[at] ?? 0)));
    expect(distance / size).toBeLessThan(0.03);
  });

  it("reads kernels one after the other, whoever asks", async () => {
    const [one, two] = cases.encoded.map(({ ids, magnitudes }) => ({ ids, magnitudes, dropped: 0 }));
    const alone = [await encoder.encode(one!), await encoder.encode(two!)];
    expect(await Promise.all([encoder.encode(one!), encoder.encode(two!)])).toEqual(alone);
  });

  it("gives up between kernels, leaves others their turn, and goes on", async () => {
    const kernel = { ...cases.encoded[3]!, dropped: 0 };
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    const asked = Array.from({ length: 5 }, () => encoder.encode(kernel, controller.signal));
    const answers = await Promise.allSettled(asked);
    expect(answers.at(-1)).toMatchObject({ status: "rejected", reason: controller.signal.reason });
    expect(await encoder.encode(kernel)).toHaveLength(model.head.textWidth);
  });

  it("refuses bytes that are no network, and tokens that it does not know, with one line", async () => {
    const options = { width: 4, lengthStep: 4, path: "e.onnx", find: { env: { KERNELCAST_ONNX: "web" } } };
    await expect(Encoder.open(Buffer.from("nothing"), options)).rejects.toThrow(
      /^e\.onnx: the encoder does not load: .+$/,
    );
    await expect(encoder.encode({ ids: [1e6], magnitudes: [0], dropped: 0 })).rejects.toThrow(
      /encoder\.onnx: the encoder failed: .+$/,
    );
  });
});
