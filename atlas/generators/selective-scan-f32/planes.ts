import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { channels, exponents, keptRate, length, sequences, states } from "./parts.ts";

const storedOptions = {
  scan: ["channel", "lanes"],
  inner: ["channel", "state"],
  expand: ["element", "stride", "quad"],
  exponent: exponents,
  ldg: [false, true],
  unroll: [false, true],
  restrict: [true, false],
  block: [128, 64, 256],
} as const;

function storedParts(o: Chosen<typeof storedOptions>) {
  const { inner, exponent, ldg, restrict } = o;
  const q = on(restrict, " __restrict__");
  const load = (place: string): string => (ldg ? `__ldg(&${place})` : place);
  const split =
    inner === "channel"
      ? "const int channel = i % channels, n = i / channels % states, row = i / (channels * states);"
      : "const int n = i % states, channel = i / states % channels, row = i / (states * channels);";
  const value = `${exponent}(delta[row * channels + channel] * (${keptRate(exponent, "a[channel * states + n]")}))`;
  const total = sequences * length * states;
  const four = repeat(4, (k) =>
    inner === "channel"
      ? `v.${"xyzw"[k]} = ${value.replaceAll("channel]", `channel + ${k}]`).replace("a[channel *", `a[(channel + ${k}) *`)};`
      : `v.${"xyzw"[k]} = ${value.replace("+ n]", `+ n + ${k}]`)};`,
  );
  const bodies = {
    element: `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${split}\ndecays[i] = ${value};`,
    stride: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < ${total}; i += gridDim.x * blockDim.x) {\n${split}\ndecays[i] = ${value};\n}`,
    quad: `const int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;\n${split}\nfloat4 v;\n${four}\n*reinterpret_cast<float4*>(decays + i) = v;`,
  };
  return { q, load, total, bodies };
}

/** The decays of all time steps are computed by a launch of their own and kept in global memory. */
export const storedDecays: Template = template({
  id: "stored-decays",
  from: "channel-per-thread",
  idea: "compute all decays in parallel first, so that the recurrence only multiplies and adds",
  options: storedOptions,
  count: 24,
  write: (o) => {
    const { scan, inner, expand, unroll, block } = o;
    const { q, load, total, bodies } = storedParts(o);
    const at = (n: string): string =>
      inner === "channel"
        ? `decays[(row * states + ${n}) * channels + channel]`
        : `decays[(row * channels + channel) * states + ${n}]`;
    const pragma = on(unroll, "#pragma unroll 4\n");
    const byChannel = `const int id = blockIdx.x * blockDim.x + threadIdx.x;
      const int channel = id % channels, first = id / channels * ${length};
      float h[states];
      #pragma unroll
      for (int n = 0; n < states; n++) h[n] = 0.0f;
      ${pragma}for (int row = first; row < first + ${length}; row++) {
        const float in = x[row * channels + channel];
        const float gain = in * delta[row * channels + channel];
        float sum = in * skip[channel];
        #pragma unroll
        for (int n = 0; n < states; n++) {
          h[n] = ${load(at("n"))} * h[n] + gain * ${load("b[row * states + n]")};
          sum += h[n] * ${load("c[row * states + n]")};
        }
        y[row * channels + channel] = sum;
      }`;
    const byLanes = `const int id = blockIdx.x * blockDim.x + threadIdx.x;
      const int n = id % states, channel = id / states % channels, first = id / (states * channels) * ${length};
      float h = 0.0f;
      ${pragma}for (int row = first; row < first + ${length}; row++) {
        const float in = x[row * channels + channel];
        h = ${load(at("n"))} * h + in * delta[row * channels + channel] * ${load("b[row * states + n]")};
        float sum = h * ${load("c[row * states + n]")};
        sum += __shfl_xor_sync(0xffffffffu, sum, 8);
        sum += __shfl_xor_sync(0xffffffffu, sum, 4);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        if (n == 0) y[row * channels + channel] = sum + in * skip[channel];
      }`;
    const source = `
      constexpr int channels = ${channels};
      constexpr int states = ${states};

      extern "C" __global__ void expand_decays(const float*${q} delta, const float*${q} a, float*${q} decays) {
        ${bodies[expand]}
      }

      extern "C" __global__ void recur(const float*${q} x, const float*${q} delta, const float*${q} b, const float*${q} c, const float*${q} skip, float*${q} y, const float*${q} decays) {
        ${scan === "channel" ? byChannel : byLanes}
      }
    `;
    const grids = { element: total / 256, stride: 132 * 8, quad: total / 1024 };
    return styled(
      {
        source,
        launches: [
          launch("expand_decays", grids[expand], 256, ["delta", "a", "work"]),
          launch("recur", ((scan === "channel" ? 1 : states) * sequences) / block, block, [
            "x",
            "delta",
            "b",
            "c",
            "skip",
            "y",
            "work",
          ]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const planesOptions = {
  combine: ["planes", "atomic"],
  through: ["last", "first plane"],
  ahead: ["none", "registers"],
  exponent: exponents,
  quadSum: [false, true],
  shared: [false, true],
  restrict: [true, false],
  bounded: [false, true],
  group: [4, 2, 8, 1],
  block: [128, 64, 256],
} as const;

function planesParts(o: Chosen<typeof planesOptions>) {
  const { combine, through, ahead, exponent, shared, restrict } = o;
  const q = on(restrict, " __restrict__");
  const atomic = combine === "atomic";
  const inPlane = through === "first plane";
  const elements = sequences * length;
  const row = (which: string): string =>
    shared ? `row_${which}[(t % 32) * GROUP + k]` : `${which}[(first + t) * ${states} + n0 + k]`;
  const refill = on(
    shared,
    `if (t % 32 == 0) {
      __syncthreads();
      for (int e = threadIdx.x; e < 32 * GROUP; e += blockDim.x) {
        row_b[e] = b[(first + t + e / GROUP) * ${states} + n0 + e % GROUP];
        row_c[e] = c[(first + t + e / GROUP) * ${states} + n0 + e % GROUP];
      }
      __syncthreads();
    }`,
  );
  const give = atomic
    ? "atomicAdd(&out[(first + t) * CHANNELS + channel], sum);"
    : "out[blockIdx.z * PLANE + (first + t) * CHANNELS + channel] = sum;";
  const one = (in_x: string, in_delta: string): string => `const float in = ${in_x};
      const float step = ${in_delta};
      float sum = ${inPlane ? "n0 == 0 ? through * in : 0.0f" : "0.0f"};
      #pragma unroll
      for (int k = 0; k < GROUP; ++k) {
        h[k] = ${exponent}(step * rate[k]) * h[k] + step * in * ${row("b")};
        sum += ${row("c")} * h[k];
      }
      ${give}`;
  const walk =
    ahead === "none"
      ? `for (int t = 0; t < ${length}; ++t) {\n${refill}\n${one("x[(first + t) * CHANNELS + channel]", "delta[(first + t) * CHANNELS + channel]")}\n}`
      : `for (int t0 = 0; t0 < ${length}; t0 += 8) {
        float xs[8], ds[8];
        #pragma unroll
        for (int u = 0; u < 8; ++u) {
          xs[u] = x[(first + t0 + u) * CHANNELS + channel];
          ds[u] = delta[(first + t0 + u) * CHANNELS + channel];
        }
        #pragma unroll
        for (int u = 0; u < 8; ++u) {
          const int t = t0 + u;
          ${refill}
          ${one("xs[u]", "ds[u]")}
        }
      }`;
  return { q, atomic, inPlane, elements, walk };
}

/** Groups of states run in blocks of their own; their shares of y are summed in global memory. */
export const statePlanes: Template = template({
  id: "state-planes",
  from: "channel-per-thread",
  idea: "give groups of states to different blocks and add up their shares of the result",
  options: planesOptions,
  count: 23,
  write: (o) => {
    const { exponent, quadSum, shared, bounded, group, block } = o;
    const { q, atomic, inPlane, elements, walk } = planesParts(o);
    const start = inPlane ? "0.0f" : "skip[i % CHANNELS] * x[i]";
    const extra = inPlane ? "" : `const float*${q} x, const float*${q} skip, `;
    const gather =
      quadSum && !atomic
        ? `const int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
        float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        ${on(
          !inPlane,
          repeat(4, (k) => `sum.${"xyzw"[k]} = skip[(i + ${k}) % CHANNELS] * x[i + ${k}];`),
        )}
        for (int g = 0; g < ${states / group}; ++g) {
          const float4 v = *reinterpret_cast<const float4*>(planes + g * PLANE + i);
          sum.x += v.x;
          sum.y += v.y;
          sum.z += v.z;
          sum.w += v.w;
        }
        *reinterpret_cast<float4*>(y + i) = sum;`
        : `const int i = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = ${start};
        ${on(!atomic, `for (int g = 0; g < ${states / group}; ++g) sum += planes[g * PLANE + i];`)}
        y[i] = sum;`;
    const second = `extern "C" __global__ void ${atomic ? "prepare_output" : "sum_planes"}(${extra}${on(!atomic, `const float*${q} planes, `)}float*${q} y) {
        ${gather}
      }`;
    const source = `
      constexpr int CHANNELS = ${channels}, GROUP = ${group};
      ${on(!atomic, `constexpr int PLANE = ${elements};`)}

      ${second}

      extern "C" __global__ void ${on(bounded, `__launch_bounds__(${block}) `)}scan_group(const float*${q} x, const float*${q} delta, const float*${q} a, const float*${q} b, const float*${q} c, const float*${q} skip, float*${q} out) {
        ${on(shared, "__shared__ float row_b[32 * GROUP], row_c[32 * GROUP];")}
        const int channel = blockIdx.x * blockDim.x + threadIdx.x;
        const int first = blockIdx.y * ${length};
        const int n0 = blockIdx.z * GROUP;
        ${on(inPlane, "const float through = skip[channel];")}
        float h[GROUP], rate[GROUP];
        #pragma unroll
        for (int k = 0; k < GROUP; ++k) {
          h[k] = 0.0f;
          rate[k] = ${keptRate(exponent, `a[channel * ${states} + n0 + k]`)};
        }
        ${walk}
      }
    `;
    const scan = {
      ...launch("scan_group", 1, block, ["x", "delta", "a", "b", "c", "skip", atomic ? "y" : "work"]),
      grid: [channels / block, 2, states / group] as const,
    };
    const sum = launch(atomic ? "prepare_output" : "sum_planes", elements / (quadSum && !atomic ? 1024 : 256), 256, [
      ...(inPlane ? [] : ["x", "skip"]),
      ...(atomic ? [] : ["work"]),
      "y",
    ]);
    return styled({ source, launches: atomic ? [sum, scan] : [scan, sum] }, { names: "camel", indent: 2 });
  },
});
