import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { surrogateRecipe } from "./surrogate-recipe.ts";

const folder = mkdtempSync(join(tmpdir(), "kernelcast-recipe-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe("the recipe of a language model in a file", () => {
  const base = write("base.gguf", "base");
  const adapter = write("adapter.gguf", "weights 1");
  const recipe = surrogateRecipe(`gguf:${base}?form=bins&adapter=${adapter}`);

  it("has its adapter's content, wherever that lies, and how it is asked", () => {
    const copy = write("copy.gguf", "weights 1");
    expect(surrogateRecipe(`gguf:${base}?adapter=${copy}&form=bins`)).toBe(recipe);
    const others = [
      `gguf:${base}?form=bins`,
      `gguf:${base}?form=samples&adapter=${adapter}`,
      `gguf:${adapter}?form=bins`,
    ];
    expect(new Set([recipe, ...others.map(surrogateRecipe)]).size).toBe(4);
  });

  it("is another after more training, alone or adapted", () => {
    const adapted = surrogateRecipe(`adapt:gguf:${base}?form=bins&adapter=${adapter}`);
    writeFileSync(adapter, "weights 2");
    expect(surrogateRecipe(`gguf:${base}?form=bins&adapter=${adapter}`)).not.toBe(recipe);
    expect(surrogateRecipe(`adapt:gguf:${base}?form=bins&adapter=${adapter}`)).not.toBe(adapted);
  });

  it("is the name where the file is not there", () => {
    expect(surrogateRecipe("gguf:absent.gguf")).not.toBe(surrogateRecipe("gguf:gone.gguf"));
  });
});
