import type { MeanScore } from "../src/evaluate/score-tasks.ts";

/** A Markdown table. */
export function markdownTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The text with what stands between `<!-- NAME:start -->` and `<!-- NAME:end -->` replaced. Throws where they are missing. */
export function replaceBetween(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const [before, rest = ""] = text.split(start);
  const after = rest.split(end)[1];
  if (after === undefined) throw new Error(`the page has no ${start} … ${end}`);
  return `${before}${start}\n\n${content}\n\n${end}${after}`;
}

/** A mean over tasks with its interval. */
export function interval({ mean, low, high }: MeanScore): string {
  if (mean === undefined) return "–";
  const text = mean.toFixed(3);
  return low === undefined || high === undefined ? text : `${text} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}
