import { featureNames } from "./features.ts";

/** Features that say one thing in several ways, in words for people. */
export interface FeatureGroup {
  readonly words: string;
  /** Places in the row of features. The first is the one that is shown. */
  readonly indices: readonly number[];
  /** The shown feature's value in words; `seedLog2Us` is log2 of the seed kernel's time. */
  readonly show: (value: number, seedLog2Us: number) => string;
}

const timeWords: Readonly<Record<string, string>> = {
  dram: "modelled time in device memory",
  dramOnce: "modelled time in device memory, each byte once",
  l2: "modelled time in the second-level cache",
  l1: "modelled time in the first-level cache",
  requests: "modelled time of memory requests",
  shared: "modelled time in shared memory",
  arithmetic: "modelled time of arithmetic",
  integer: "modelled time of integer arithmetic",
  special: "modelled time of special functions",
  matrix: "modelled time in tensor cores",
  issue: "modelled time to issue instructions",
  latency: "modelled time of waiting",
  atomic: "modelled time of atomics",
  total: "modelled time in all",
};

/** Features whose value is a logarithm to base 2. */
const logarithmic: ReadonlySet<string> = new Set([
  "threads per block",
  "blocks",
  "threads",
  "waves",
  "shared bytes",
  "local bytes",
  "stack bytes",
  "barriers",
  "overlapped loads",
  "loads in flight",
  "operations per thread",
  "bytes per thread",
  "reads per byte",
  "writes per byte",
  "tokens",
  "largest literal",
]);

const shares: ReadonlySet<string> = new Set([
  "occupancy",
  "compiled occupancy",
  "read efficiency",
  "write efficiency",
  "output coverage",
  "input coverage",
  "share of sites known",
]);

/** Groups in the order of their first features. */
export const featureGroups: readonly FeatureGroup[] = makeGroups();

function makeGroups(): FeatureGroup[] {
  const members = new Map<string, number[]>();
  featureNames.forEach((name, index) => {
    const key = timeOf(name) ?? name;
    members.set(key, [...(members.get(key) ?? []), index]);
  });
  return [...members].map(([key, indices]) => ({ ...wording(key), indices }));
}

/** The modelled part that a feature compares with something. */
function timeOf(name: string): string | undefined {
  const [part = "", other] = name.split(" over ");
  return other !== undefined && part in timeWords ? part : undefined;
}

function wording(key: string): Pick<FeatureGroup, "words" | "show"> {
  const time = timeWords[key];
  if (time !== undefined)
    return { words: time, show: (value, seedLog2Us) => `${digits(2 ** (value + seedLog2Us))} µs` };
  if (shares.has(key)) return { words: key, show: (value) => `${digits(100 * value)} %` };
  if (logarithmic.has(key)) return { words: key, show: (value) => digits(2 ** value) };
  const perByte = /^(.*) per byte$/.exec(key)?.[1];
  if (perByte !== undefined && perByte !== "operations") {
    return { words: `${spaced(perByte)} operations per KiB`, show: (value) => digits(2 ** value) };
  }
  const inText = /^(.*) in text$/.exec(key)?.[1];
  return { words: inText === undefined ? key : `"${spaced(inText)}" in the source`, show: digits };
}

function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function digits(value: number): string {
  if (Math.abs(value) >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
