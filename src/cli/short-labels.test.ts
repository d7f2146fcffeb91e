import { expect, it } from "vitest";
import { shortLabels } from "./short-labels.ts";

function shortened(...labels: string[]): string[] {
  const short = shortLabels(labels);
  return short ? labels.map(short) : labels;
}

it("paths of recorded forecasts lose what is alike in all", () => {
  expect(shortened("static", "recorded:results/rl/a/test.jsonl", "recorded:results/rl/b-2/test.jsonl")).toEqual([
    "static",
    "recorded:…/a/…",
    "recorded:…/b-2/…",
  ]);
  expect(shortened("recorded:x/a.jsonl", "recorded:x/b.jsonl#me")).toEqual([
    "recorded:…/a.jsonl",
    "recorded:…/b.jsonl#me",
  ]);
  expect(shortened("recorded:x/y/f", "recorded:f")).toEqual(["recorded:x/y/f", "recorded:f"]);
  expect(shortened("recorded:f#me", "recorded:f#you")).toEqual(["recorded:f#me", "recorded:f#you"]);
});

it("one file keeps its name, and files of one name stay apart", () => {
  expect(shortened("recorded:x/a", "static")).toEqual(["recorded:x/a", "static"]);
  expect(shortened("recorded:x/a/f", "recorded:x/b/a/f")).toEqual(["recorded:…/a/…", "recorded:…/b/a/…"]);
});
