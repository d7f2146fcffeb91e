import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  channelLines,
  constants,
  count,
  lanes,
  mapVector,
  overGroup,
  result,
  shape,
  spread,
  totals,
  totalStyles,
  vector,
} from "./fragments.ts";

const standard = ["x", "gamma", "beta", "y"] as const;
const signature = (name: string, type: string, attributes = ""): string =>
  `extern "C" __global__ void ${attributes}${name}(const ${type}* __restrict__ x, const float* __restrict__ gamma,
    const float* __restrict__ beta, ${type}* __restrict__ y)`;

/** The group stays in registers. */
export const registers: Template = template({
  id: "registers",
  from: "sum-and-squares",
  idea: "Read the group once into registers and do all passes there.",
  options: {
    block: [1024, 512, 256],
    width: [4, 2, 1],
    totals: totalStyles,
    variance: ["deviations", "sums"],
    form: ["folded", "plain"],
    load: ["plain", "streaming", "nc"],
    streamed: [false, true],
    persistent: [false, true],
    channel: ["constant", "computed"],
  },
  valid: ({ block, width, channel }) => block >= 512 || (width === 4 && channel === "constant"),
  count: 6,
  write: ({ block, width, totals: total, variance, form, load, streamed, persistent, channel }, sizes) => {
    const given = shape(sizes);
    const type = vector(width);
    const items = given.length / width / block;
    const sums = variance === "sums";
    const get = { plain: "in[i]", streaming: "__ldcs(in + i)", nc: "__ldg(in + i)" }[load];
    const each = (body: string): string => `
      #pragma unroll
      for (int k = 0; k < ${items}; ++k) {
        ${body}
      }`;
    const reduce = sums
      ? `
        float2 part = make_float2(0.0f, 0.0f);
        ${each(
          lanes(width)
            .map((lane) => `part.x += v[k]${lane};\npart.y = fmaf(v[k]${lane}, v[k]${lane}, part.y);`)
            .join("\n"),
        )}
        part = team_total(part);
        const float mean = part.x / ${count(given)};
        const float variance = part.y / ${count(given)} - mean * mean;`
      : `
        float part = 0.0f;
        ${each(
          lanes(width)
            .map((lane) => `part += v[k]${lane};`)
            .join("\n"),
        )}
        const float mean = team_total(part) / ${count(given)};
        part = 0.0f;
        ${each(
          lanes(width)
            .map((lane) => `part += (v[k]${lane} - mean) * (v[k]${lane} - mean);`)
            .join("\n"),
        )}
        const float variance = team_total(part) / ${count(given)};`;
    const number = channel === "constant" ? "k * BLOCK / PLANE" : "(k * BLOCK + threadIdx.x) / PLANE";
    const body = `
      const ${type}* in = x + (size_t)group * LENGTH;
      ${type}* out = y + (size_t)group * LENGTH;
      ${type} v[${items}];
      ${each(`const int i = k * BLOCK + threadIdx.x;\nv[k] = ${get};`)}
      ${reduce}
      ${spread(form, "variance")}
      ${each(`
        const int i = k * BLOCK + threadIdx.x;
        const int c = group % GROUPS * CHANNELS + ${number};
        ${channelLines(form, "c")}
        ${mapVector(form, width, "v[k]", "out[i]", streamed)}`)}`;
    const source = `
      ${constants("constexpr", given, width, block)}

      ${totals(total, sums)}
      ${signature("norm_registers", type, "__launch_bounds__(BLOCK) ")} {
        ${persistent ? `for (int group = blockIdx.x; group < ${given.all}; group += gridDim.x) {\n${body}\n}` : `const int group = blockIdx.x;\n${body}`}
      }
    `;
    const grid = persistent ? 132 * (1024 / block) : given.all;
    return styled(
      { source, launches: [launch("norm_registers", grid, block, standard)] },
      { names: "camel", indent: 4 },
    );
  },
});

/** The group stays in shared memory. */
export const sharedGroup: Template = template({
  id: "shared-memory",
  from: "registers",
  idea: "Keep the group of 128 KiB in shared memory between the passes.",
  options: {
    copy: ["vectors", "async", "async-words", "floats"],
    block: [1024, 512, 256],
    variance: ["deviations", "sums"],
    early: [true, false],
    totals: totalStyles,
    walk: ["flat", "nested"],
    form: ["plain", "folded"],
    streamed: [false, true],
    halves: [1, 2, 4],
  },
  valid: ({ copy, early, halves }) => (copy.startsWith("async") ? !early : halves === 1),
  count: 9,
  write: ({ copy, block, variance, early, totals: total, walk, form, streamed, halves }, sizes) => {
    const given = shape(sizes);
    const width = copy === "floats" ? 1 : 4;
    const type = vector(width);
    const sums = variance === "sums";
    const add = lanes(width)
      .map((lane) => (sums ? `part.x += v${lane};\npart.y += v${lane} * v${lane};` : `part += v${lane};`))
      .join("\n");
    const copyOne = {
      vectors: `const float4 v = in[i];\nkept[i] = v;\n${on(early, add)}`,
      floats: `const float v = in[i];\nkept[i] = v;\n${on(early, add)}`,
      async: "__pipeline_memcpy_async(kept + i, in + i, 16);",
      "async-words": `
        #pragma unroll
        for (int w = 0; w < 4; ++w) __pipeline_memcpy_async((float*)(kept + i) + w, (const float*)(in + i) + w, 4);`,
    }[copy];
    const isAsync = copy.startsWith("async");
    // The vectors that a thread copies are the ones that it sums: its own waits suffice.
    const stretch = (part: string, line: string): string =>
      `for (int i = ${part} * (LENGTH / ${halves}) + threadIdx.x; i < (${part} + 1) * (LENGTH / ${halves}); i += BLOCK) {\n${line}\n}`;
    const sumOne = `const ${type} v = kept[i];\n${add}`;
    const waits = Array.from(
      { length: halves },
      (_, part) => `__pipeline_wait_prior(${halves - 1 - part});\n${stretch(String(part), sumOne)}`,
    ).join("\n");
    const fill = isAsync
      ? `
        for (int part = 0; part < ${halves}; ++part) {
          ${stretch("part", copyOne)}
          __pipeline_commit();
        }
        ${waits}`
      : `${overGroup({ walk: "flat" }, copyOne)}\n${on(!early, overGroup({ walk: "flat" }, sumOne))}`;
    const statistics = sums
      ? `
        part = team_total(part);
        const float mean = part.x / ${count(given)};
        const float variance = part.y / ${count(given)} - mean * mean;`
      : `
        const float mean = team_total(part) / ${count(given)};
        part = 0.0f;
        ${overGroup(
          { walk: "flat" },
          `const ${type} v = kept[i];\n${lanes(width)
            .map((lane) => `part += (v${lane} - mean) * (v${lane} - mean);`)
            .join("\n")}`,
        )}
        const float variance = team_total(part) / ${count(given)};`;
    const source = `
      ${on(isAsync, "#include <cuda_pipeline.h>")}
      ${constants("define", given, width, block)}

      ${totals(total, sums)}
      ${signature("norm_shared", type, "__launch_bounds__(BLOCK) ")} {
        extern __shared__ ${type} kept[];
        const ${type}* in = x + (size_t)blockIdx.x * LENGTH;
        ${type}* out = y + (size_t)blockIdx.x * LENGTH;
        ${sums ? "float2 part = make_float2(0.0f, 0.0f);" : "float part = 0.0f;"}
        ${fill}
        ${statistics}
        ${spread(form, "variance")}
        ${overGroup({ walk }, mapVector(form, width, "kept[i]", "out[i]", streamed), channelLines(form, "blockIdx.x % GROUPS * CHANNELS + c"))}
      }
    `;
    return styled(
      { source, launches: [launch("norm_shared", given.all, block, standard, given.length * 4)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A part of the group stays in registers, the rest is read again. */
export const partlyKept: Template = template({
  id: "partly-kept",
  from: "registers",
  idea: "Keep some of the group in registers and read the rest again from the cache, with several blocks on a multiprocessor.",
  options: {
    block: [512, 256, 1024],
    kept: [4, 2, 6],
    which: ["last", "first"],
    totals: totalStyles,
    form: ["folded", "plain"],
    reverse: [true, false],
    unroll: [false, true],
    load: ["plain", "cg"],
    streamed: [false, true],
  },
  count: 27,
  write: ({ block, kept, which, totals: total, form, reverse, unroll, load, streamed }, sizes) => {
    const given = shape(sizes);
    const items = given.length / 4 / block;
    const last = which === "last";
    const [from, to] = last ? ["0", `${items - kept}`] : [`${kept}`, `${items}`];
    const get = load === "cg" ? "__ldcg(in + i)" : "in[i]";
    const adds = (v: string): string =>
      lanes(4)
        .map((lane) => `part.x += ${v}${lane};\npart.y = fmaf(${v}${lane}, ${v}${lane}, part.y);`)
        .join("\n");
    const pragma = unroll ? "#pragma unroll 4" : "#pragma unroll 1";
    const rest = (body: string, backwards = false): string => `
      ${pragma}
      for (int k = ${backwards ? `${to} - 1; k >= ${from}; --k` : `${from}; k < ${to}; ++k`}) {
        const int i = k * BLOCK + threadIdx.x;
        ${body}
      }`;
    const held = (body: string): string => `
      #pragma unroll
      for (int h = 0; h < KEPT; ++h) {
        const int i = (${last ? `${items - kept} + h` : "h"}) * BLOCK + threadIdx.x;
        ${body}
      }`;
    const channel = `const int c = blockIdx.x % GROUPS * CHANNELS + i / PLANE;\n${channelLines(form, "c")}`;
    const loadRest = rest(`const float4 v = ${get};\n${adds("v")}`);
    const loadHeld = held(`own[h] = ${get};\n${adds("own[h]")}`);
    const writeRest = rest(`${channel}\n${mapVector(form, 4, get, "out[i]", streamed)}`, reverse);
    const writeHeld = held(`${channel}\n${mapVector(form, 4, "own[h]", "out[i]", streamed)}`);
    const source = `
      ${constants("define", given, 4, block)}
      #define KEPT ${kept}

      ${totals(total, true)}
      ${signature("norm_partly", "float4", "__launch_bounds__(BLOCK) ")} {
        const float4* in = x + (size_t)blockIdx.x * LENGTH;
        float4* out = y + (size_t)blockIdx.x * LENGTH;
        float4 own[KEPT];
        float2 part = make_float2(0.0f, 0.0f);
        ${last ? `${loadRest}\n${loadHeld}` : `${loadHeld}\n${loadRest}`}
        part = team_total(part);
        const float mean = part.x / ${count(given)};
        ${spread(form, `part.y / ${count(given)} - mean * mean`)}
        ${writeHeld}
        ${writeRest}
      }
    `;
    return styled(
      { source, launches: [launch("norm_partly", given.all, block, standard)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Clusters of blocks share a group. */
export const clusters: Template = template({
  id: "cluster",
  from: "shared-memory",
  idea: "Split a group over a cluster of blocks that exchange their sums through distributed shared memory.",
  options: {
    size: [4, 2, 8],
    keep: ["shared", "registers"],
    block: [256, 512, 128],
    variance: ["deviations", "sums"],
    totals: totalStyles,
    exchange: ["pull", "push"],
    form: ["plain", "folded"],
    streamed: [false, true],
  },
  valid: ({ size, keep, block }) => keep === "shared" || 8192 / size / block <= 16,
  count: 10,
  write: ({ size, keep, block, variance, totals: total, exchange, form, streamed }, sizes) => {
    const given = shape(sizes);
    const share = given.length / 4 / size;
    const items = share / block;
    const inShared = keep === "shared";
    const cell = inShared ? "kept[k * BLOCK + threadIdx.x]" : "kept[k]";
    const sums = variance === "sums";
    const each = (body: string): string => `
      #pragma unroll
      for (int k = 0; k < ${items}; ++k) {
        const float4 v = ${cell};
        ${body}
      }`;
    const type = sums ? "float2" : "float";
    const zero = sums ? "make_float2(0.0f, 0.0f)" : "0.0f";
    const gather = (slot: number): string => clusterGather(slot, exchange, sums);
    const squares = lanes(4)
      .map((lane) => `part += (v${lane} - mean) * (v${lane} - mean);`)
      .join("\n");
    const statistics = sums
      ? `
        ${each(
          lanes(4)
            .map((lane) => `part.x += v${lane};\npart.y += v${lane} * v${lane};`)
            .join("\n"),
        )}
        ${gather(0)}
        const float mean = part.x / ${count(given)};
        const float variance = part.y / ${count(given)} - mean * mean;`
      : `
        ${each(
          lanes(4)
            .map((lane) => `part += v${lane};`)
            .join("\n"),
        )}
        ${gather(0)}
        const float mean = part / ${count(given)};
        part = 0.0f;
        ${each(squares)}
        ${gather(1)}
        const float variance = part / ${count(given)};`;
    const results = lanes(4)
      .map((lane) => `r${lane} = ${result(form, `v${lane}`)};`)
      .join("\n");
    const source = `
      #include <cooperative_groups.h>
      namespace cg = cooperative_groups;

      #define BLOCK ${block}
      #define SIZE ${size}  // blocks per group
      #define SHARE ${share}  // float4 per block

      ${totals(total, sums)}
      ${signature("norm_cluster", "float4", "__cluster_dims__(SIZE, 1, 1) __launch_bounds__(BLOCK) ")} {
        cg::cluster_group cluster = cg::this_cluster();
        __shared__ ${type} mail[2][SIZE];
        ${inShared ? "extern __shared__ float4 kept[];" : `float4 kept[${items}];`}
        const int rank = blockIdx.x % SIZE;
        const int group = blockIdx.x / SIZE;
        const float4* in = x + (size_t)blockIdx.x * SHARE;
        float4* out = y + (size_t)blockIdx.x * SHARE;
        #pragma unroll
        for (int k = 0; k < ${items}; ++k) ${cell} = in[k * BLOCK + threadIdx.x];
        ${exchange === "push" ? "cluster.sync();" : ""}
        ${type} part = ${zero};
        ${statistics}
        ${spread(form, "variance")}
        ${each(`
          const int c = group % ${given.groups} * ${given.groupChannels} + (rank * SHARE + k * BLOCK + (int)threadIdx.x) / ${given.plane / 4};
          ${channelLines(form, "c")}
          float4 r;
          ${results}
          ${streamed ? "__stcs(out + k * BLOCK + threadIdx.x, r);" : "out[k * BLOCK + threadIdx.x] = r;"}`)}
        cluster.sync();
      }
    `;
    return styled(
      { source, launches: [launch("norm_cluster", given.all * size, block, standard, inShared ? share * 16 : 0)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Replaces `part` by its total over the cluster, through the mailbox `slot`. */
function clusterGather(slot: number, exchange: "pull" | "push", sums: boolean): string {
  const type = sums ? "float2" : "float";
  const zero = sums ? "make_float2(0.0f, 0.0f)" : "0.0f";
  return `
      part = team_total(part);
      ${
        exchange === "pull"
          ? `
            if (threadIdx.x == 0) mail[${slot}][0] = part;
            cluster.sync();
            part = ${zero};
            for (int r = 0; r < SIZE; ++r) {
              const ${type} theirs = *cluster.map_shared_rank(&mail[${slot}][0], r);
              ${sums ? "part.x += theirs.x;\npart.y += theirs.y;" : "part += theirs;"}
            }`
          : `
            if (threadIdx.x < SIZE) *cluster.map_shared_rank(&mail[${slot}][rank], threadIdx.x) = part;
            cluster.sync();
            part = ${zero};
            for (int r = 0; r < SIZE; ++r) {
              ${sums ? `part.x += mail[${slot}][r].x;\npart.y += mail[${slot}][r].y;` : `part += mail[${slot}][r];`}
            }`
      }`;
}
