import { describe, expect, it } from "vitest";
import { learningChart, smoothed } from "./learning-charts.ts";

const points = Array.from({ length: 100 }, (_, index) => ({ step: index + 1, value: index % 2 }));

describe("learning curves", () => {
  it("of many steps are means of as many each, at their last", () => {
    const few = smoothed(points, 30);
    expect(few).toHaveLength(25);
    expect(few[0]).toEqual({ step: 4, value: 0.5 });
    expect(few.at(-1)?.step).toBe(100);
    expect(smoothed(points.slice(0, 5), 30)).toEqual(points.slice(0, 5));
    expect(smoothed([], 30)).toEqual([]);
  });

  it("are drawn a line a run, in the colour of their arm, light and dark", () => {
    const svg = learningChart(
      [
        { arm: "one", run: "one-1", points },
        { arm: "one", run: "one-2", points },
        { arm: "two", run: "two-1", points: points.slice(0, 1) },
      ],
      { ariaLabel: "what it shows", label: "reward", arms: ["one", "elsewhere", "two"] },
    );
    expect(svg).toContain('aria-label="what it shows"');
    expect(svg).not.toContain("elsewhere");
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg.match(/<g [^>]*stroke="var\(--blue\)"[^>]*aria-label="line"/g)).toHaveLength(2);
    expect(svg.match(/<g [^>]*stroke-dasharray="6 4"[^>]*aria-label="line"/g)).toHaveLength(1);
    expect(svg).toMatch(/<g fill="var\(--green\)"[^>]*aria-label="dot"/);
  });
});
