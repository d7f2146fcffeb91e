/**
 * `npm run results:search [-- --recording atlas --split test --arms a,b --seeds 20 --measurements 32 --jobs 2]`: runs the searches of
 * `kernelcast bench search` and writes docs/results/search.md, its plots in docs/results/search/, and search.json. Finished
 * searches are kept in .kernelcast: a run that was stopped goes on. What the page says of other tuners' spaces stays.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { splitChoices } from "../src/evaluate/choose-tasks.ts";
import { gapAnatomy } from "../src/evaluate/searches/gap-anatomy.ts";
import { scoreSearches } from "../src/evaluate/searches/score-searches.ts";
import { searchDocument } from "../src/evaluate/searches/search-document.ts";
import { searchPlots } from "../src/report/searches/write-searches.ts";
import { usualArms } from "../src/serve/bench/arms.ts";
import { benchSearch } from "../src/serve/bench/bench-search.ts";
import { replaceBetween } from "./markdown.ts";
import { emptyPage, searchSection } from "./searches/page.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    split: { type: "string", default: "test" },
    arms: { type: "string", default: usualArms.join(",") },
    seeds: { type: "string", default: "20" },
    measurements: { type: "string", default: "32" },
    jobs: { type: "string" },
    workspace: { type: "string", default: ".kernelcast" },
    out: { type: "string", default: "docs/results/search" },
  },
});

const { recording, out, workspace } = values;
let told = 0;
const { results, setting } = await benchSearch({
  recording,
  split: splitChoices.find((split) => split === values.split),
  arms: values.arms.split(","),
  seeds: Number(values.seeds),
  measurements: Number(values.measurements),
  jobs: values.jobs === undefined ? undefined : Number(values.jobs),
  workspace,
  onProgress: (done, all, taskId) => {
    const share = Math.floor((20 * done) / all);
    if (share > told) console.error(`${done} of ${all} searches, ${taskId}`);
    told = share;
  },
});
const scores = scoreSearches(results, 1);
const anatomy = gapAnatomy(results, 1);
const plots = searchPlots(results, { scores, anatomy });
mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) if (name.endsWith(".svg")) rmSync(join(out, name));
for (const [name, svg] of plots) writeFileSync(join(out, name), svg);
const document = searchDocument(results, scores, anatomy, setting);
writeFileSync(join(out, "search.json"), `${JSON.stringify(document, null, 1)}\n`);
const flags = [
  ...(recording === "atlas" ? [] : [`--recording ${recording}`]),
  ...(values.arms === usualArms.join(",") ? [] : [`--arms ${values.arms}`]),
];
const command = ["npm run results:search", ...(flags.length > 0 ? ["--", ...flags] : [])].join(" ");
const section = searchSection({ command, results, setting, scores, anatomy, plots: [...plots.keys()] });
const page = `${out}.md`;
const before = existsSync(page) ? readFileSync(page, "utf8") : emptyPage;
writeFileSync(page, replaceBetween(before, "searches", section));
console.error(`wrote ${page}, ${out}/`);
