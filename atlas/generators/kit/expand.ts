import { keyedStream, makeKernel, type Kernel } from "../../../src/domain/index.ts";
import { constantFreeText } from "../../../src/formats/kernel-structure.ts";
import { findLeak } from "../../../src/formats/source-leaks.ts";
import type { Generator, KernelDraft, Mistake, OptionValue, Options, Template } from "./generator.ts";

/** A generated kernel with its place in the derivation tree. */
export interface GeneratedKernel {
  readonly kernel: Kernel;
  readonly parentId: string | null;
  readonly templateId: string;
  readonly idea: string;
  readonly structure: string;
}

interface Drawn extends GeneratedKernel {
  readonly options: Options;
}

type Sizes = Readonly<Record<string, number>>;

/**
 * Draws each template's kernels by a random walk over its options, as a search would: pick a kernel drawn so far, change
 * one option. The walk's steps are the derivation tree; a template's first kernel descends from one of the template
 * it came `from`. Deterministic per (task, seed).
 */
export function expandGenerator(generator: Generator, seedKernel: Kernel, sizes: Sizes, seed = 1): GeneratedKernel[] {
  const root: Drawn = {
    kernel: seedKernel,
    parentId: null,
    templateId: "seed",
    idea: "the seed kernel",
    options: {},
    structure: constantFreeText(seedKernel.source),
  };
  const byTemplate = new Map<string, Drawn[]>();
  const seen = new Set([seedKernel.kernelId]);
  for (const template of generator.templates) {
    const origins = template.from === null ? [root] : byTemplate.get(template.from);
    if (!origins)
      throw new Error(
        `${generator.taskId}: template ${template.id} comes from ${template.from}, which is not above it`,
      );
    byTemplate.set(template.id, drawTemplate(generator.taskId, template, origins, sizes, seed, seen));
  }
  const drawn = [root, ...[...byTemplate.values()].flat()];
  return withoutTelling([...drawn, ...drawMistakes(generator, byTemplate, sizes, seed, seen, drawn.length)]);
}

/** Leaves out kernels with a word that tells how they do; their children descend from their parents. */
function withoutTelling(drawn: readonly GeneratedKernel[]): GeneratedKernel[] {
  const parentOfTelling = new Map(
    drawn
      .filter(({ kernel }) => findLeak(kernel.source) !== undefined)
      .map(({ kernel, parentId }) => [kernel.kernelId, parentId]),
  );
  const standing = (id: string | null): string | null =>
    id !== null && parentOfTelling.has(id) ? standing(parentOfTelling.get(id) ?? null) : id;
  return drawn
    .filter(({ kernel }) => !parentOfTelling.has(kernel.kernelId))
    .map((kernel) => ({ ...kernel, parentId: standing(kernel.parentId) }));
}

function isNew(drawn: GeneratedKernel, seen: Set<string>): boolean {
  if (seen.has(drawn.kernel.kernelId)) return false;
  seen.add(drawn.kernel.kernelId);
  return true;
}

/** The least share of a task's kernels that carry a mistake: within the 5 to 8 % that a real search shows. */
const mistakeShare = 0.06;

/** Each mistake once, then again in other kernels of its template, in turn, until the share is reached. */
function drawMistakes(
  generator: Generator,
  byTemplate: ReadonlyMap<string, readonly Drawn[]>,
  sizes: Sizes,
  seed: number,
  seen: Set<string>,
  others: number,
): Drawn[] {
  const uniform = keyedStream(seed, "mistakes", generator.taskId);
  const made = generator.mistakes
    .map((mistake) => makeMistake(generator, mistake, byTemplate, sizes, 1))
    .filter((mistake) => isNew(mistake, seen));
  const wanted = Math.round((mistakeShare * others) / (1 - mistakeShare));
  for (let turn = 0; turn < 10 * generator.mistakes.length && made.length < wanted; turn++) {
    const mistake = generator.mistakes[turn % generator.mistakes.length] as Mistake;
    const again = tryMistake(generator, mistake, byTemplate, sizes, uniform());
    if (again && isNew(again, seen)) made.push(again);
  }
  return made;
}

/** The mistake in the sibling at `place` (0 to 1); undefined where that sibling has not the text that the mistake edits. */
function tryMistake(...words: Parameters<typeof makeMistake>): Drawn | undefined {
  try {
    return makeMistake(...words);
  } catch {
    return undefined;
  }
}

function drawTemplate(
  taskId: string,
  template: Template,
  origins: readonly Drawn[],
  sizes: Sizes,
  seed: number,
  seen: Set<string>,
): Drawn[] {
  const uniform = keyedStream(seed, "expand", taskId, template.id);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(uniform() * items.length)] as T;
  const first = Object.fromEntries(
    Object.entries(template.options).map(([name, values]) => [name, values[0] as OptionValue]),
  );
  const drawn: Drawn[] = [];
  const add = (options: Options, parent: Drawn, idea: string): void => {
    const next = toKernel(template.write(options, sizes), template.id, parent, idea, options, sizes);
    if (isNew(next, seen)) drawn.push(next);
  };
  add(first, pick(origins), template.idea);
  const names = Object.keys(template.options).filter((name) => (template.options[name] ?? []).length > 1);
  const structures = new Set(drawn.map((kernel) => kernel.structure));
  for (
    let attempt = 0;
    attempt < 200 * template.count && drawn.length < template.count && names.length > 0;
    attempt++
  ) {
    const parent = pick(drawn);
    const name = pick(names);
    const options: Options = { ...parent.options, [name]: pick(template.options[name] as readonly OptionValue[]) };
    if (template.valid && !template.valid(options)) continue;
    const structure = constantFreeText(template.write(options, sizes).source);
    const constantOnly = structures.has(structure);
    if (constantOnly && !mayRepeat(drawn, structures, attempt, template.count)) continue;
    const before = drawn.length;
    add(options, parent, `${name}: ${String(parent.options[name])} -> ${String(options[name])}`);
    if (drawn.length > before) structures.add(structure);
  }
  return drawn;
}

/** Keeps kernels that differ only in constants to a quarter while structurally new ones can still be found. */
function mayRepeat(drawn: readonly Drawn[], structures: ReadonlySet<string>, attempt: number, count: number): boolean {
  return drawn.length - structures.size < drawn.length / 4 || attempt > 150 * count;
}

function toKernel(
  draft: KernelDraft,
  templateId: string,
  parent: Drawn,
  idea: string,
  options: Options,
  sizes: Sizes,
): Drawn {
  const kernel = makeKernel(
    { source: draft.source, launches: draft.launches, compileOptions: draft.compileOptions ?? [] },
    sizes,
  );
  return {
    kernel,
    parentId: parent.kernel.kernelId,
    templateId,
    idea,
    options,
    structure: constantFreeText(draft.source),
  };
}

function makeMistake(
  generator: Generator,
  mistake: Mistake,
  byTemplate: ReadonlyMap<string, readonly Drawn[]>,
  sizes: Sizes,
  place: number,
): Drawn {
  const template = generator.templates.find(({ id }) => id === mistake.template);
  const siblings = byTemplate.get(mistake.template) ?? [];
  const parent = siblings[Math.min(siblings.length - 1, Math.floor(place * siblings.length))];
  if (!template || !parent)
    throw new Error(`${generator.taskId}: mistake ${mistake.id} names no template with kernels`);
  const options = { ...parent.options, ...mistake.options };
  const draft = mistake.edit(template.write(options, sizes));
  return toKernel(draft, template.id, parent, mistake.idea, options, sizes);
}
