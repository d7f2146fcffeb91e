import { describe, expect, it } from "vitest";
import { closest } from "./closest.ts";

describe("closest", () => {
  it.each([
    ["softmx-f32", "softmax-f32"],
    ["sttic", "static"],
    ["topk", "top-k"],
    ["oracle", undefined],
    ["", undefined],
  ])("%s means %s", (word, meant) => {
    expect(closest(word, ["softmax-f32", "static", "top-k", "conv2d-f32"])).toBe(meant);
  });
});
