import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { constants, imagesOf, launch3, pair, pointers, tapsFrom, unrolled } from "./parts.ts";

type Guard = "select" | "limits" | "clamp" | "branch";

/** The loops over the 25 taps of one output at (row, col); `image` is the plane's pointer. */
function tapLoops(
  guard: Guard,
  open: boolean,
  read: (place: string) => string,
  tap: (index: string) => string,
): string {
  const rows =
    guard === "limits" ? "for (int r = max(0, 2 - row); r < min(5, H + 2 - row); ++r)" : "for (int r = 0; r < 5; ++r)";
  const cols =
    guard === "limits" ? "for (int s = max(0, 2 - col); s < min(5, W + 2 - col); ++s)" : "for (int s = 0; s < 5; ++s)";
  const bodies: Record<Guard, string> = {
    select: `
      int yy = row + r - 2;
      int zz = col + s - 2;
      bool inside = (unsigned)yy < H && (unsigned)zz < W;
      sum += (inside ? ${read("image[yy * W + zz]")} : 0.0f) * ${tap("r * 5 + s")};`,
    branch: `
      int yy = row + r - 2;
      int zz = col + s - 2;
      if (yy >= 0 && yy < H && zz >= 0 && zz < W) {
        sum = fmaf(${read("image[yy * W + zz]")}, ${tap("r * 5 + s")}, sum);
      }`,
    clamp: `
      int yy = min(max(row + r - 2, 0), H - 1);
      int zz = min(max(col + s - 2, 0), W - 1);
      float factor = (yy == row + r - 2 && zz == col + s - 2) ? ${tap("r * 5 + s")} : 0.0f;
      sum = fmaf(${read("image[yy * W + zz]")}, factor, sum);`,
    limits: `sum += ${read("image[(row + r - 2) * W + col + s - 2]")} * ${tap("r * 5 + s")};`,
  };
  const hint = unrolled(open && guard !== "limits");
  return `${hint}\n${rows} {\n${hint}\n${cols} {\n${bodies[guard]}\n}\n}`;
}

const mappings = {
  tiles: `
    const int col = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    const int plane = blockIdx.z;`,
  flat: `
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int col = index % W;
    const int row = index / W % H;
    const int plane = index / (W * H);`,
  plane: `
    const int cell = blockIdx.x * blockDim.x + threadIdx.x;
    const int plane = blockIdx.y;
    const int row = cell / W;
    const int col = cell - row * W;`,
};

/** One thread per output. */
export const pixelPerThread: Template = template({
  id: "pixel-per-thread",
  from: null,
  idea: "One thread per output with neighbouring lanes along a row and the sizes known to the compiler.",
  options: {
    mapping: ["tiles", "flat", "plane"],
    guard: ["branch", "select", "limits", "clamp"],
    taps: ["global", "ldg", "registers", "shared"],
    load: ["plain", "ldg"],
    open: [false, true],
    restrict: [false, true],
    size: ["define", "constexpr"],
    block: ["16x16", "32x8", "112x2", "8x8", "56x4"],
    threads: [256, 128, 512],
  },
  valid: ({ mapping, taps, guard, open }) =>
    !(taps === "shared" && mapping === "flat") && !(taps === "registers" && (guard === "limits" || !open)),
  count: 27,
  write: ({ mapping, guard, taps, load, open, restrict, size, block, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const [bx, by] = pair(block);
    const filter = tapsFrom(
      taps,
      mapping === "tiles" ? "(int)(threadIdx.y * blockDim.x + threadIdx.x)" : "threadIdx.x",
    );
    const read = (place: string): string => (load === "ldg" ? `__ldg(&${place})` : place);
    const outside = { tiles: "row >= H || col >= W", flat: "plane >= PLANES", plane: "row >= H" }[mapping];
    const source = `
      ${constants(sizes, size)}

      extern "C" __global__ void depthwise(${pointers(restrict)}) {
        ${mappings[mapping]}
        ${filter.prepare}
        if (${outside}) return;
        const float* image = x + plane * H * W;
        float sum = 0.0f;
        ${tapLoops(guard, open, read, filter.at)}
        out[(plane * H + row) * W + col] = sum;
      }
    `;
    const launches = {
      tiles: launch3([Math.ceil(w / bx), Math.ceil(h / by), planes], [bx, by]),
      flat: launch("depthwise", Math.ceil((planes * h * w) / threads), threads, ["x", "weight", "out"]),
      plane: launch("depthwise", [Math.ceil((h * w) / threads), planes], threads, ["x", "weight", "out"]),
    };
    return styled({ source, launches: [launches[mapping]] }, { names: "snake", indent: 2 });
  },
});

/** Several neighbouring outputs of a row per thread. */
export const rowStrip: Template = template({
  id: "row-strip",
  from: "pixel-per-thread",
  idea: "Compute a run of outputs along the row per thread, reading each input row once into registers.",
  options: {
    fetch: ["scalars", "vectors", "checked-pairs"],
    vectorStore: [false, true],
    taps: ["registers", "ldg", "shared"],
    rows: ["skip", "zero", "pointer"],
    load: ["plain", "ldg"],
    flat: [false, true],
    size: ["constexpr", "enum"],
    run: [4, 8, 16],
    threads: [128, 256, 224],
  },
  valid: ({ taps, flat }) => !(taps === "shared" && flat),
  count: 27,
  write: ({ fetch, vectorStore, taps, rows, load, flat, size, run, threads }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const read = (place: string): string => (load === "ldg" ? `__ldg(${place})` : `*(${place})`);
    const loads = {
      scalars: `
        #pragma unroll
        for (int i = 0; i < RUN + 4; ++i) {
          const int z = first + i - 2;
          v[i] = z >= 0 && z < W ? ${read("line + z")} : 0.0f;
        }`,
      vectors: `
        const float4* quads = reinterpret_cast<const float4*>(line + first);
        #pragma unroll
        for (int i = -1; i <= RUN / 4; ++i) {
          const bool inside = first + 4 * i >= 0 && first + 4 * i < W;
          const float4 q = inside ? ${read("quads + i")} : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          if (i >= 0) v[4 * i + 2] = q.x;
          if (i >= 0) v[4 * i + 3] = q.y;
          if (i < RUN / 4) v[4 * i + 4] = q.z;
          if (i < RUN / 4) v[4 * i + 5] = q.w;
        }`,
      "checked-pairs": `
        #pragma unroll
        for (int i = 0; i < RUN + 4; i += 2) {
          float2 two = make_float2(0.0f, 0.0f);
          if (first + i >= 2 && first + i < W + 2) two = ${read("reinterpret_cast<const float2*>(line + first + i - 2)")};
          v[i] = two.x;
          v[i + 1] = two.y;
        }`,
    }[fetch];
    const guard = {
      skip: "if (y < 0 || y >= H) continue;\nconst float* line = image + y * W;",
      zero: "const bool live = (unsigned)y < H;\nconst float* line = image + (live ? y : 0) * W;",
      pointer:
        "const float* line = image + min(max(y, 0), H - 1) * W;\nconst float live = y >= 0 && y < H ? 1.0f : 0.0f;",
    }[rows];
    const weigh = { skip: "a", zero: "(live ? a : 0.0f)", pointer: "live * a" }[rows];
    const source = `
      ${constants(sizes, size)}
      constexpr int RUN = ${run};
      constexpr int STRIPS = W / RUN;

      extern "C" __global__ void depthwise(${pointers(true)}) {
        const int strip = blockIdx.x * blockDim.x + threadIdx.x;
        ${flat ? "const int plane = strip / (STRIPS * H);" : "const int plane = blockIdx.y;"}
        ${filter.prepare}
        if (${flat ? "plane >= PLANES" : "strip >= STRIPS * H"}) return;
        const int row = strip / STRIPS${on(flat, " % H")};
        const int first = strip % STRIPS * RUN;
        const float* image = x + plane * H * W;
        float sum[RUN] = {};
        #pragma unroll
        for (int r = 0; r < 5; ++r) {
          const int y = row + r - 2;
          ${guard}
          float v[RUN + 4];
          ${loads}
          #pragma unroll
          for (int s = 0; s < 5; ++s) {
            const float a = ${filter.at("r * 5 + s")};
            #pragma unroll
            for (int p = 0; p < RUN; ++p) sum[p] += ${weigh} * v[p + s];
          }
        }
        float* to = out + (plane * H + row) * W + first;
        #pragma unroll
        ${
          vectorStore
            ? "for (int p = 0; p < RUN; p += 4) {\n*reinterpret_cast<float4*>(to + p) = make_float4(sum[p], sum[p + 1], sum[p + 2], sum[p + 3]);\n}"
            : "for (int p = 0; p < RUN; ++p) to[p] = sum[p];"
        }
      }
    `;
    const strips = (w / run) * h;
    const grid: [number, number, number] = flat
      ? [Math.ceil((strips * planes) / threads), 1, 1]
      : [Math.ceil(strips / threads), planes, 1];
    return styled({ source, launches: [launch3(grid, [threads, 1])] }, { names: "camel", indent: 2 });
  },
});
