import { describe, expect, it } from "vitest";
import { withBoundedLists } from "./bounded-lists.ts";

const entry = (labels: readonly string[] | undefined) => ({
  type: "object",
  properties: { kernel: { type: "string", ...(labels && { enum: labels }) }, us: { type: "number" } },
});
const listOf = (items: object) => ({ type: "object", properties: { forecasts: { type: "array", items } } });

describe("lists of a schema", () => {
  it("end where their items name one of so many, at any depth", () => {
    const bounded = withBoundedLists(listOf(entry(["K01", "K02"])));
    expect(bounded).toEqual({
      type: "object",
      properties: { forecasts: { type: "array", items: entry(["K01", "K02"]), maxItems: 2 } },
    });
  });

  it("stay as they are where nothing tells an end, or they have one", () => {
    for (const schema of [listOf(entry(undefined)), listOf({ type: "string" }), { type: "array", maxItems: 9 }]) {
      expect(withBoundedLists(schema)).toEqual(schema);
    }
  });
});
