import type { Form } from "../form.ts";

/** Key of an entry's reason. */
export const reasonKey = "because";

type Schema = Readonly<Record<string, unknown>>;

/** Tokens of a reason, with room to spare. */
const reasonTokens = 60;

/** A form whose answer is JSON, with a short reason before the numbers of each kernel: what is said first can be thought with. */
export function withReasons<Reading>(form: Form<Reading>): Form<Reading> {
  return {
    ...form,
    instructions: `${form.instructions}
Begin each entry, after the kernel's label, with "${reasonKey}": a reason of at most twenty words, what it does otherwise than a measured kernel and what that does to its time: {"kernel": "K01", "${reasonKey}": "loads four values at once, half of M1's registers", ...}`,
    schema(labels) {
      const schema = form.schema(labels);
      return schema && withReasonProperty(schema);
    },
    answerTokens: (count) => form.answerTokens(count) + reasonTokens * count,
  };
}

/** The schema with a reason in each entry, which is what has a label; models that are held to a schema write keys in its order. */
function withReasonProperty(schema: Schema): Schema {
  const { properties, required, items } = schema as { properties?: Schema; required?: string[]; items?: Schema };
  if (items) return { ...schema, items: withReasonProperty(items) };
  if (!properties) return schema;
  const { kernel, ...rest } = properties;
  if (!kernel) {
    const inner = Object.entries(properties).map(([name, value]) => [name, withReasonProperty(value as Schema)]);
    return { ...schema, properties: Object.fromEntries(inner) };
  }
  return {
    ...schema,
    required: ["kernel", reasonKey, ...(required ?? []).filter((name) => name !== "kernel")],
    properties: { kernel, [reasonKey]: { type: "string" }, ...rest },
  };
}
