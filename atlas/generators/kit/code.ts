import type { Launch, LaunchArgument } from "../../../src/domain/index.ts";
import type { KernelDraft, Mistake, OptionValue, Template } from "./generator.ts";

type Choices = Readonly<Record<string, readonly OptionValue[]>>;

/** The options of one kernel, typed by the values that the template lists. */
export type Chosen<C extends Choices> = { readonly [K in keyof C]: C[K][number] };

/** A template whose `write` and `valid` see their options by name and type. */
export interface TypedTemplate<C extends Choices> extends Omit<Template, "options" | "valid" | "write"> {
  readonly options: C;
  readonly valid?: (options: Chosen<C>) => boolean;
  readonly write: (options: Chosen<C>, sizes: Readonly<Record<string, number>>) => KernelDraft;
}

export function template<const C extends Choices>(typed: TypedTemplate<C>): Template {
  return typed as unknown as Template;
}

/** `text` when `condition` holds, else `otherwise`. */
export function on(condition: boolean, text: string, otherwise = ""): string {
  return condition ? text : otherwise;
}

/** One text per number 0 … count - 1, joined by line ends. */
export function repeat(count: number, line: (index: number) => string, separator = "\n"): string {
  return Array.from({ length: count }, (_, index) => line(index)).join(separator);
}

export function launch(
  kernel: string,
  grid: number | readonly [number, number],
  block: number | readonly [number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
): Launch {
  const [gridX, gridY] = typeof grid === "number" ? [grid, 1] : grid;
  const [blockX, blockY] = typeof block === "number" ? [block, 1] : block;
  return { kernel, grid: [gridX, gridY, 1], block: [blockX, blockY, 1], smemBytes, args };
}

/** How a template's author writes: names in snake_case or camelCase, and the width of an indent. */
export interface Style {
  readonly names: "snake" | "camel";
  readonly indent: number;
}

const keptNames = /^(reinterpret_cast|static_cast|const_cast|make_\w+|\w+_t|cuda_\w+)$/;

/** Lays a draft out by its braces and renames its snake_case identifiers where the style asks for it. */
export function styled(draft: KernelDraft, style: Style): KernelDraft {
  const rename = (text: string): string =>
    style.names === "snake"
      ? text
      : text.replace(/(?<![\w.])[a-z][a-z0-9]*(_[a-z0-9]+)+(?!\w)/g, (name) =>
          keptNames.test(name) ? name : name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
        );
  return {
    ...draft,
    source: indented(rename(draft.source), style.indent),
    launches: draft.launches.map((entry) => ({ ...entry, kernel: rename(entry.kernel) })),
  };
}

function indented(source: string, width: number): string {
  const lines: string[] = [];
  let depth = 0;
  for (const raw of source.split("\n")) {
    const line = raw.trim();
    if (line === "" && (depth > 0 || (lines.at(-1) ?? "") === "")) continue;
    const closing = /^[})]*/.exec(line)?.[0].length ?? 0;
    const text = line.replace(/\/\/.*$/, "");
    const toLeft = line.startsWith("#") && !line.startsWith("#pragma");
    lines.push(toLeft || line === "" ? line : " ".repeat(width * Math.max(0, depth - closing)) + line);
    depth += count(text, /[{(]/g) - count(text, /[})]/g);
  }
  return `${lines.join("\n").trim()}\n`;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** An edit of a mistake: replaces text that must occur; with `all`, every occurrence. */
export function replacing(before: string | RegExp, after: string, all = false): Mistake["edit"] {
  return (draft) => {
    const source = all ? draft.source.replaceAll(before, after) : draft.source.replace(before, after);
    if (source === draft.source) throw new Error(`nothing to replace: ${String(before)}\n${draft.source}`);
    return { ...draft, source };
  };
}
