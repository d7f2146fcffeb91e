import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { fileDigest } from "./file-digest.ts";

const folder = mkdtempSync(join(tmpdir(), "kernelcast-digest-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("is the content's name wherever the file lies, and changes with its size and its bytes", () => {
  const path = join(folder, "a.gguf");
  const bytes = Buffer.alloc(300_000, 7);
  writeFileSync(path, bytes);
  const before = fileDigest(path);
  copyFileSync(path, join(folder, "b.gguf"));
  expect(fileDigest(join(folder, "b.gguf"))).toBe(before);
  bytes[123_456] = 8;
  writeFileSync(path, bytes);
  expect(fileDigest(path)).not.toBe(before);
  writeFileSync(path, Buffer.alloc(300_001, 7));
  expect(fileDigest(path)).not.toBe(before);
  writeFileSync(path, "");
  expect(fileDigest(path)).toMatch(/^[0-9a-f]{64}$/);
});
