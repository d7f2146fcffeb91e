type Schema = Readonly<Record<string, unknown>>;

/**
 * A schema whose lists of named things end: a list of objects that each name one of n holds at most n. Small models that are held
 * to a schema without such an end go on until they are cut. Hosted providers refuse the keyword, so that it is added here alone.
 */
export function withBoundedLists(schema: Schema): Schema {
  const inner = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, isSchema(value) ? withBoundedLists(value) : value]),
  );
  const { items } = schema;
  if (schema["type"] !== "array" || !isSchema(items) || schema["maxItems"] !== undefined) return inner;
  const names = namesOf(items);
  return names === undefined ? inner : { ...inner, maxItems: names };
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How many names there are for an item; undefined where it has none. */
function namesOf({ properties }: Schema): number | undefined {
  const choices = Object.values(isSchema(properties) ? properties : {}).map((one) =>
    isSchema(one) && one["type"] === "string" && Array.isArray(one["enum"]) ? one["enum"].length : 0,
  );
  return choices.find((count) => count > 0);
}
