import { dirname, relative, resolve } from "node:path";
import { parseLaunch } from "../formats/parse-launch.ts";
import { readOwnLaunches } from "../formats/own-launches.ts";
import { readFamilies, type Family } from "../formats/read-families.ts";
import { readLaunches } from "../formats/read-launches.ts";
import { readText } from "../formats/read-text.ts";
import type { SubmittedKernel, SubmittedParts } from "../serve/submit/submit.ts";

export interface ReadSubmittedOptions {
  /** Folder that relative paths start from. */
  readonly from: string;
  readonly idea?: string | undefined;
  readonly ideas?: string | undefined;
  readonly parent?: string | undefined;
  readonly launch: readonly string[];
  readonly launches?: string | undefined;
  readonly compileOption: readonly string[];
}

/** Reads the files to hand in, each with its launches, and what is told of them. Throws one line that names the file and the fault. */
export async function readSubmitted(
  files: readonly string[],
  options: ReadSubmittedOptions,
): Promise<SubmittedKernel[]> {
  const { from, idea, parent: parentId } = options;
  const told = await readIdeas(options);
  return Promise.all(
    files.map(async (file) => {
      const parts = await readParts(file, options);
      if (!told) return { ...parts, idea, parentId };
      const family = told.families.get(resolve(from, file));
      return { ...parts, idea: family?.idea, ...(await parentOf(family?.parent, told, options)) };
    }),
  );
}

interface Told {
  /** By the absolute path of the file. */
  readonly families: ReadonlyMap<string, Family>;
  readonly folder: string;
}

/** The lines of `--ideas`; the files that they name lie beside it, and may be others than those handed in now. */
async function readIdeas({ ideas, from }: ReadSubmittedOptions): Promise<Told | undefined> {
  if (ideas === undefined) return undefined;
  const path = resolve(from, ideas);
  const folder = dirname(path);
  const families = new Map<string, Family>();
  for (const [file, family] of await readFamilies(path)) families.set(resolve(folder, file), family);
  return { families, folder };
}

/** A parent is the seed, a file of the ideas, or else the id of a kernel. */
async function parentOf(
  parent: string | null | undefined,
  { folder, families }: Told,
  options: ReadSubmittedOptions,
): Promise<Pick<SubmittedKernel, "parent" | "parentId">> {
  if (parent === undefined || parent === null || parent === "seed") return {};
  const path = resolve(folder, parent);
  if (!families.has(path) && !parent.endsWith(".cu")) return { parentId: parent };
  return { parent: await readParts(relative(options.from, path), options) };
}

async function readParts(file: string, options: ReadSubmittedOptions): Promise<SubmittedParts> {
  const { from, compileOption } = options;
  const source = await readText(file, { what: "kernel", from });
  return {
    name: file,
    source,
    launches: await launchesOf(file, source, options),
    compileOptions: compileOption.length > 0 ? compileOption : undefined,
  };
}

async function launchesOf(
  file: string,
  source: string,
  { from, launch, launches }: ReadSubmittedOptions,
): Promise<SubmittedParts["launches"]> {
  if (launches !== undefined) return readLaunches(launches, from);
  if (launch.length === 0) return readOwnLaunches(file, from);
  return (task) => {
    const argumentNames = task.workload.args.map(({ name }) => name);
    return launch.map((one) => parseLaunch(one, { source, argumentNames }));
  };
}
