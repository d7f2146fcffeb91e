const kind = "recorded:";
const gap = "…";

/**
 * Names for a table whose rows are many files of recorded forecasts: what is alike in all their paths is left out. Undefined where
 * fewer than two are named so, or nothing is alike.
 */
export function shortLabels(labels: readonly string[]): ((label: string) => string) | undefined {
  const paths = labels.filter((label) => label.startsWith(kind)).map((label) => label.slice(kind.length).split("/"));
  if (paths.length < 2) return undefined;
  const most = Math.min(...paths.map(({ length }) => length)) - 1;
  const [first = []] = paths;
  const isAlike = (at: (path: readonly string[]) => string | undefined): boolean =>
    paths.every((path) => at(path) === at(first));
  let start = 0;
  while (start < most && isAlike((path) => path[start])) start++;
  let end = 0;
  while (end < most - start && isAlike((path) => path.at(-1 - end))) end++;
  if (start + end === 0) return undefined;
  return (label) => {
    if (!label.startsWith(kind)) return label;
    const path = label.slice(kind.length).split("/");
    const kept = path.slice(start, path.length - end).join("/");
    return `${kind}${start > 0 ? `${gap}/` : ""}${kept}${end > 0 ? `/${gap}` : ""}`;
  };
}
