/** Names with commas between, each once; undefined for none. */
export function listed(names: string | undefined): string[] | undefined {
  const known = names
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return known && known.length > 0 ? [...new Set(known)] : undefined;
}
