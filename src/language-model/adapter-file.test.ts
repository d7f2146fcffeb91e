import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkAdapter } from "./adapter-file.ts";
import { ggufIdentity } from "./gguf-identity.ts";
import { createLanguageModels } from "./language-models.ts";
import type { GgufFileInfo, LlamaModule } from "./llama-library.ts";

const folder = mkdtempSync(join(tmpdir(), "kernelcast-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));

const tensor = (name: string, ...dimensions: readonly number[]) => ({ name, dimensions });
const base: GgufFileInfo = {
  metadata: { general: { architecture: "qwen2" } },
  tensorInfo: [tensor("blk.0.attn_q.weight", 64, 32)],
};
const pair = (input: number, rank: number, output: number) => [
  tensor("blk.0.attn_q.weight.lora_a", input, rank),
  tensor("blk.0.attn_q.weight.lora_b", rank, output),
];
const adapter = (architecture: string, tensorInfo: GgufFileInfo["tensorInfo"] = []): GgufFileInfo => ({
  metadata: { general: { architecture, type: "adapter" }, adapter: { type: "lora" } },
  tensorInfo,
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function check(header: GgufFileInfo | Error): Promise<void> {
  const readGgufFileInfo = () => (header instanceof Error ? Promise.reject(header) : Promise.resolve(header));
  return checkAdapter(write("adapter.gguf", "header"), base, { readGgufFileInfo } as unknown as LlamaModule);
}

describe("an adapter", () => {
  it("of the model's architecture and sizes, whatever its rank, is taken", async () => {
    await expect(check(adapter("qwen2", pair(64, 5, 32)))).resolves.toBeUndefined();
  });

  it.each<readonly [string, GgufFileInfo | Error, RegExp]>([
    ["of another architecture", adapter("llama"), /is for models of the architecture llama, and the model's is qwen2/],
    ["that reads more than the model has", adapter("qwen2", pair(96, 5, 32)), /other sizes: .*lora_a does not fit/],
    ["that writes more than the model has", adapter("qwen2", pair(64, 5, 48)), /other sizes: .*lora_b does not fit/],
    ["of tensors that the model lacks", adapter("qwen2", [tensor("blk.7.x.weight.lora_a", 64, 5)]), /does not fit/],
    ["that is a whole model", base, /not of a LoRA adapter/],
    ["that is no GGUF", new Error("Invalid GGUF magic"), /cannot be read as a GGUF file/],
  ])("%s is refused in one line", async (_what, header, why) => {
    await expect(check(header)).rejects.toMatchObject({ code: "model", message: expect.stringMatching(why) as string });
    await expect(check(header)).rejects.toThrow(/^adapter .*adapter\.gguf: [^\n]+$/);
  });

  it("that is not there is said to be so, before the model is read", async () => {
    const opened = createLanguageModels().open(`gguf:${write("m.gguf", "no model")}?adapter=${folder}/absent.gguf`);
    await expect(opened).rejects.toMatchObject({
      code: "model",
      message: `adapter ${folder}/absent.gguf: no such file`,
    });
  });
});

describe("what a model in files is known by", () => {
  const file = write("base.gguf", "base");
  const identity = (adapterFile?: string) =>
    ggufIdentity({ provider: "gguf", file, ...(adapterFile === undefined ? {} : { adapter: adapterFile }) });

  it("is its content and its adapter's, and not where they lie", () => {
    const one = identity(write("one.gguf", "weights 1"));
    expect(one).toBe(identity(write("copy.gguf", "weights 1")));
    expect(one).not.toBe(identity(write("two.gguf", "weights 2")));
    expect(one).toContain(identity());
    expect(one).toMatch(/^gguf [0-9a-f]{64} adapter [0-9a-f]{64}$/);
  });
});
