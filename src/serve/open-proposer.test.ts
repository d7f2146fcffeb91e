import { describe, expect, it } from "vitest";
import { syntheticTask } from "../testing/synthetic.ts";
import { checkProposer, openProposer } from "./open-proposer.ts";

const task = {
  ...syntheticTask(),
  tunables: {
    parameters: { A: [1, 2, 4] },
    constraints: [],
    launches: syntheticTask().seedKernel.launches,
    compileOptions: [],
  },
};

describe("openProposer", () => {
  it("opens tunables in random order, or one that learns", () => {
    expect(openProposer("tunables", task, undefined, undefined).learns).toBeUndefined();
    expect(openProposer("tunables:learn", task, undefined, undefined).learns).toBe(true);
  });

  it("takes a model in a file with its adapter, and no other options of models", () => {
    expect(() => checkProposer("gguf:m.gguf?adapter=a.gguf")).not.toThrow();
    expect(() => checkProposer("gguf:m.gguf?adapter=a.gguf&form=bins")).toThrow(/takes no options/);
    expect(() => checkProposer("openai:m?adapter=a.gguf")).toThrow(/takes no options/);
  });

  it("refuses another detail of tunables", () => {
    expect(() => checkProposer("tunables:lern")).toThrow(/tunables takes no detail but learn/);
    expect(() => checkProposer("tunables:learn")).not.toThrow();
  });
});
