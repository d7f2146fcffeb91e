/**
 * `npm run results:frontier-searches`: writes what `kernelcast bench search --json` printed with recorded forecasts of a frontier model
 * (docs/results/search/frontier.json) into docs/results/search.md.
 */
import { readFile, writeFile } from "node:fs/promises";
import { replaceBetween } from "./markdown.ts";
import { armsTable, oracleNote, type SearchesDocument } from "./searches/recorded-arms.ts";

const source = "docs/results/search/frontier.json";
const page = "docs/results/search.md";
const document = JSON.parse(await readFile(source, "utf8")) as SearchesDocument;
await writeFile(page, replaceBetween(await readFile(page, "utf8"), "frontier", section(document)));

function section(searches: SearchesDocument): string {
  const { recording, device, measurements, seeds, tasks, kernels, arms, by_task: byTask } = searches;
  const taskIds = byTask.map(({ task }) => task).join(",");
  return [
    `Six tasks whose every kernel a frontier language model forecast by reading alone, before anything but the seed kernel was measured and without compile evidence ([how](../../atlas/forecasts/claude-pools/README.md)): ${tasks} tasks, ${kernels} kernels measured on ${device}; ${seeds} seeds, ${measurements} measurements. \`recorded:…\` is the policy of ours with those forecasts as they stand; \`gate:adapt:recorded:…\` learns from the run besides.`,
    armsTable(searches),
    oracleNote,
    `\`\`\`sh\nnpx kernelcast bench search --recording ${recording} --tasks ${taskIds} --arms ${Object.keys(arms).join(",")} --seeds ${seeds} --measurements ${measurements} --json > ${source}\nnpm run results:frontier-searches\n\`\`\``,
  ].join("\n\n");
}
