/** Words that tell how well a kernel does; a forecaster that reads them is not forecasting. */
const tellingWords: ReadonlySet<string> = new Set([
  "slow",
  "slower",
  "slowest",
  "slowly",
  "fast",
  "faster",
  "fastest",
  "speed",
  "speedup",
  "baseline",
  "naive",
  "optimal",
  "optimised",
  "optimized",
  "unoptimised",
  "unoptimized",
  "inefficient",
  "bottleneck",
  "tflop",
  "tflops",
  "gflop",
  "gflops",
  "bug",
  "buggy",
  "wrong",
  "broken",
  "mistake",
  "incorrect",
]);

/** The first telling word among a source's comments and names, or undefined. Names with two leading underscores are CUDA's. */
export function findLeak(source: string): string | undefined {
  for (const [name] of source.matchAll(/[A-Za-z_][A-Za-z0-9_]*/g)) {
    if (name.startsWith("__")) continue;
    const words = name
      .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
      .toLowerCase()
      .split("_");
    const word = words.find((part) => tellingWords.has(part));
    if (word !== undefined) return name;
  }
  return /\b\d[\d.]*\s*([GT]B\/s|x (faster|slower))/i.exec(source)?.[0];
}
