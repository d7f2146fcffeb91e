/**
 * `npm run bench:learning-space [-- --json --points 20000 --measurements 400]`: what the proposer `tunables:learn` takes to say where to measure
 * next, per measurement, over a space of so many points. Processor time;
 * measuring is excluded.
 */
import { parseArgs } from "node:util";
import { keyedUniform } from "../src/domain/index.ts";
import { coordinatesOf } from "../src/propose/learn/coordinates.ts";
import { SpaceLearner } from "../src/propose/learn/space-learner.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    points: { type: "string", default: "20000" },
    measurements: { type: "string", default: "400" },
  },
});
const [count, measurements] = [Number(values.points), Number(values.measurements)];
const radices = [16, 5, 8, 4, 4, 3, 2, 2];

/** The digits of a number in mixed radices, the last one open. */
function pointAt(index: number): { readonly values: readonly number[] } {
  let rest = index;
  const digits = radices.map((radix) => {
    const digit = rest % radix;
    rest = Math.floor(rest / radix);
    return radix > 4 ? 2 ** digit : digit;
  });
  return { values: [...digits, rest] };
}

function millisecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const points = Array.from({ length: count }, (_, index) => pointAt(index));
const start = process.cpuUsage();
const learner = new SpaceLearner(coordinatesOf(points), 1);
const tried = new Set<number>();
let longest = 0;
for (let step = 0; step < measurements; step++) {
  const before = process.cpuUsage();
  const place = learner.next((taken) => tried.has(taken))?.place ?? 0;
  tried.add(place);
  const log2Us = (points[place]?.values ?? []).reduce(
    (sum, value, at) => sum + Math.sin(value + at) + 0.3 * keyedUniform(place, at),
    5,
  );
  learner.add({ place, log2Us: keyedUniform("fails", place) < 0.05 ? null : log2Us });
  longest = Math.max(longest, millisecondsSince(before));
}
const result = {
  points: count,
  measurements,
  ms_per_measurement: Number((millisecondsSince(start) / measurements).toFixed(2)),
  ms_longest: Number(longest.toFixed(0)),
};
if (values.json) console.log(JSON.stringify(result, null, 2));
else console.table([result]);
