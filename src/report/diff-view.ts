import { structuredPatch } from "diff";
import { html, type Html } from "./html.ts";

const lineClasses: Readonly<Record<string, string>> = { "+": "added", "-": "removed" };

/** The change from one source to another, line by line. */
export function diffView(before: string, after: string): Html {
  const { hunks } = structuredPatch("seed", "best", before, after, undefined, undefined, { context: 4 });
  if (hunks.length === 0) return html`<p>The best kernel's source is the seed's.</p>`;
  const lines = hunks.flatMap((hunk) => [
    html`<span class="hunk">@@ -${hunk.oldStart} +${hunk.newStart} @@ </span>`,
    ...hunk.lines.map((line) => html`<span class="${lineClasses[line[0] ?? " "] ?? "same"}">${line} </span>`),
  ]);
  return html`<pre class="diff">${lines}</pre>`;
}
