import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { constants, count, lanes, overGroup, shape, totals, totalStyles, vector } from "./fragments.ts";

/** A launch per step, with the intermediate tensor in y. */
export const steps: Template = template({
  id: "launch-per-step",
  from: "three-passes",
  idea: "Centre, scale and shift in launches of their own, with the intermediate tensor in the output.",
  options: {
    fused: ["none", "scale-shift", "all"],
    width: [1, 4, 2],
    totals: totalStyles,
    groupBlock: [256, 512, 1024],
    walk: ["flat", "nested"],
    pointwise: ["element", "stride", "run"],
    block: [256, 128],
    root: ["divide", "rsqrt"],
    restrict: [false, true],
  },
  count: 29,
  write: ({ fused, width, totals: total, groupBlock, walk, pointwise, block, root, restrict }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const r = on(restrict, "__restrict__ ");
    const elements = (given.all * given.length) / width;
    const run = 8;
    const over = (body: string): string =>
      ({
        element: `const int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i < count) {\n${body}\n}`,
        stride: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {\n${body}\n}`,
        run: `const int start = (blockIdx.x * blockDim.x + threadIdx.x) * ${run};\nfor (int i = start; i < start + ${run} && i < count; ++i) {\n${body}\n}`,
      })[pointwise];
    const each = (value: (lane: string) => string, from = "y"): string => `
      ${type} v = ${from}[i];
      ${lanes(width)
        .map((lane) => `v${lane} = ${value(`v${lane}`)};`)
        .join("\n")}
      y[i] = v;`;
    const scaled = root === "divide" ? (v: string) => `${v} / spread` : (v: string) => `${v} * spread`;
    const spreadLine = `const float spread = ${root === "divide" ? "sqrtf" : "rsqrtf"}(stats[GROUPS_IN_ALL + i / LENGTH] + 1.0e-5f);`;
    const channelLine = "const int c = i / PLANE % (GROUPS * CHANNELS);";
    const steps: readonly (readonly [string, string])[] =
      fused === "none"
        ? [
            ["scale_values", `${spreadLine}\n${each((v) => scaled(v))}`],
            ["apply_gamma", `${channelLine}\n${each((v) => `${v} * gamma[c]`)}`],
            ["apply_beta", `${channelLine}\n${each((v) => `${v} + beta[c]`)}`],
          ]
        : [["scale_and_shift", `${channelLine}\n${spreadLine}\n${each((v) => `${scaled(v)} * gamma[c] + beta[c]`)}`]];
    const parameters = `(const ${type}* ${r}x, const float* ${r}gamma, const float* ${r}beta, float* ${r}stats, ${type}* ${r}y, int count)`;
    const allFused = fused === "all";
    const squareOf = (lane: string): string =>
      allFused ? `squares += (v${lane} - mean) * (v${lane} - mean);` : `squares += v${lane} * v${lane};`;
    const lastSteps = allFused
      ? [
          [
            "normalise",
            `${channelLine}\n${spreadLine}\nconst float mean = stats[i / LENGTH];\n${each((v) => `${scaled(`(${v} - mean)`)} * gamma[c] + beta[c]`, "x")}`,
          ] as const,
        ]
      : [["centre", `const float mean = stats[i / LENGTH];\n${each((v) => `${v} - mean`, "x")}`] as const, ...steps];
    const source = `
      ${constants("define", given, width, groupBlock)}
      #define GROUPS_IN_ALL ${given.all}

      ${totals(total)}
      extern "C" __global__ void group_means(const ${type}* ${r}x, float* ${r}stats) {
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        float sum = 0.0f;
        ${overGroup(
          { walk },
          `const ${type} v = in[i];\n${lanes(width)
            .map((lane) => `sum += v${lane};`)
            .join("\n")}`,
        )}
        sum = team_total(sum);
        if (threadIdx.x == 0) stats[blockIdx.x] = sum / ${count(given)};
      }

      extern "C" __global__ void group_variances(const ${type}* ${r}x, float* ${r}stats) {
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        ${on(allFused, "const float mean = stats[blockIdx.x];")}
        float squares = 0.0f;
        ${overGroup({ walk }, `const ${type} v = in[i];\n${lanes(width).map(squareOf).join("\n")}`)}
        squares = team_total(squares);
        if (threadIdx.x == 0) stats[GROUPS_IN_ALL + blockIdx.x] = squares / ${count(given)};
      }

      ${lastSteps.map(([name, body]) => `extern "C" __global__ void ${name}${parameters} {\n${over(body)}\n}\n`).join("\n")}
    `;
    const grid = { element: elements / block, stride: 132 * 8, run: elements / run / block }[pointwise];
    const step = (name: string) => launch(name, grid, block, ["x", "gamma", "beta", "stats", "y", { i32: elements }]);
    const means = launch("group_means", given.all, groupBlock, ["x", "stats"]);
    const variances = launch("group_variances", given.all, groupBlock, [allFused ? "x" : "y", "stats"]);
    const launches = allFused
      ? [means, variances, step("normalise")]
      : [means, step("centre"), variances, ...steps.map(([name]) => step(name))];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
