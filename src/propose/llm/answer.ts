import { z } from "zod";
import { dtypes, type Kernel, type Launch, type LaunchArgument } from "../../domain/index.ts";

/** What a model answered, read. */
export interface ProposalAnswer {
  readonly idea: string;
  readonly source: string;
  readonly launches: readonly Launch[];
}

export type ReadAnswer =
  | { readonly ok: true; readonly answer: ProposalAnswer }
  | { readonly ok: false; readonly fault: string };

const expression = z.union([z.number(), z.string().min(1)]);
/** One to three dimensions: models leave the ones out. */
const dimensions = z
  .union([expression.transform((one) => [one]), z.array(expression).min(1).max(3)])
  .transform(([x = 1, y = 1, z_ = 1]): Launch["grid"] => [x, y, z_]);

const typedScalar = z
  .object({ type: z.enum(dtypes), value: expression })
  .transform(({ type, value }): LaunchArgument => ({ [type]: value }));
const scalar = z
  .partialRecord(z.enum(dtypes), expression)
  .refine((value) => Object.keys(value).length === 1, "a scalar has one type and one value");

const launch = z
  .object({
    kernel: z.string().min(1),
    grid: dimensions,
    block: dimensions,
    smem_bytes: expression.default(0),
    args: z.array(z.union([z.string(), typedScalar, scalar])),
  })
  .transform(({ smem_bytes: smemBytes, ...rest }): Launch => ({ ...rest, smemBytes }));

const answerShape = z.object({
  idea: z.string().default(""),
  source: z.string().optional(),
  launches: z.array(launch).min(1),
});

const numberOrText = { anyOf: [{ type: "number" }, { type: "string" }] };
const threeOf = { type: "array", items: numberOrText, description: "x, y, z: numbers or arithmetic over the sizes" };

function strictObject(properties: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}

/** The answer's JSON schema, in the subset that providers hold models to: every member required, none besides. */
export const answerSchema: Readonly<Record<string, unknown>> = strictObject({
  idea: { type: "string", description: "what is different and why it should be faster, in one or two sentences" },
  source: { type: "string", description: "the complete CUDA source" },
  launches: {
    type: "array",
    items: strictObject({
      kernel: { type: "string" },
      grid: threeOf,
      block: threeOf,
      smem_bytes: { ...numberOrText, description: "dynamic shared memory in bytes, 0 for none" },
      args: {
        type: "array",
        items: {
          anyOf: [
            { type: "string", description: "name of an argument of the task" },
            strictObject({ type: { type: "string", enum: [...dtypes] }, value: numberOrText }),
          ],
        },
      },
    }),
  },
});

/** Longest idea that is kept. */
const longestIdea = 500;

/**
 * Reads an answer: a JSON object, alone or among other text; the source in it, or in a fenced block beside it, as models that
 * cannot be held to a schema write it more safely.
 */
export function readAnswer(text: string): ReadAnswer {
  const blocks = fencedBlocks(text);
  const object = firstObject(blocks, text);
  if (object === undefined) return { ok: false, fault: "the answer holds no complete JSON object" };
  const parsed = answerShape.safeParse(object);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, fault: `the answer's ${issue?.path.join(".") || "object"}: ${issue?.message ?? "is wrong"}` };
  }
  const { idea, launches } = parsed.data;
  const source = parsed.data.source ?? blocks.find(({ language }) => language !== "json")?.content;
  if (source === undefined) return { ok: false, fault: "the answer holds no source" };
  return { ok: true, answer: { idea: idea.trim().slice(0, longestIdea), source, launches } };
}

interface Block {
  readonly language: string;
  readonly content: string;
}

function fencedBlocks(text: string): readonly Block[] {
  return [...text.matchAll(/^[ \t]*```([\w+-]*)[^\n]*\n([\s\S]*?)^[ \t]*```[ \t]*$/gm)].map(
    ([, language = "", content = ""]) => ({ language: language.toLowerCase(), content }),
  );
}

function firstObject(blocks: readonly Block[], text: string): unknown {
  const fenced = blocks.filter(({ language }) => language === "json" || language === "").map(({ content }) => content);
  for (const candidate of [text, ...fenced]) {
    const object = parseObject(candidate.trim());
    if (object !== undefined) return object;
  }
  return embeddedObject(text);
}

function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The first text from a brace to the one that closes it that is JSON; braces in strings do not count. */
function embeddedObject(text: string): unknown {
  for (
    let start = text.indexOf("{"), tries = 0;
    start >= 0 && tries < 50;
    start = text.indexOf("{", start + 1), tries++
  ) {
    const end = closingBrace(text, start);
    const object = end < 0 ? undefined : parseObject(text.slice(start, end + 1));
    if (object !== undefined) return object;
  }
  return undefined;
}

function closingBrace(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}" && --depth === 0) return at;
  }
  return -1;
}

/** Launches as an answer spells them, for models to read. */
export function spellLaunches({ launches }: Pick<Kernel, "launches">): string {
  return JSON.stringify(
    launches.map(({ kernel, grid, block, smemBytes, args }) => ({
      kernel,
      grid,
      block,
      smem_bytes: smemBytes,
      args: args.map((argument) => (typeof argument === "string" ? argument : typed(argument))),
    })),
  );
}

function typed(argument: Exclude<LaunchArgument, string>): unknown {
  const [type, value] = Object.entries(argument)[0] ?? [];
  return { type, value };
}
