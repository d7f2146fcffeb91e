import { replacing } from "../kit/code.ts";
import type { KernelDraft, Mistake } from "../kit/generator.ts";

type Entry = KernelDraft["launches"][number];

const last = (draft: KernelDraft, change: (entry: Entry) => Partial<Entry>): KernelDraft => ({
  ...draft,
  launches: draft.launches.map((entry, index) =>
    index === draft.launches.length - 1 ? { ...entry, ...change(entry) } : entry,
  ),
});

const noResult: readonly Mistake[] = [
  {
    id: "group-at-run-time",
    template: "filter-group",
    idea: "choose the group of filters at launch",
    expect: "compile_error",
    edit: replacing(/#define GROUP \d+/, "#define GROUP (gridDim.y * 4)"),
  },
  {
    id: "vector-times-scalar",
    template: "channels-last",
    idea: "multiply the channels of a voxel at once",
    expect: "compile_error",
    options: { weights: "vectors" },
    edit: replacing(/sum\[f\]\[p\] \+= a\.x [^;]*;/, "sum[f][p] += a * v[p + e];"),
  },
  {
    id: "two-names-for-weights",
    template: "run-block",
    idea: "read the packed filters",
    expect: "compile_error",
    options: { weights: "packed" },
    edit: replacing("float a = packed[", "float a = packed_filters["),
  },
  {
    id: "header-left-out",
    template: "plane-march",
    idea: "commit copies in groups",
    expect: "compile_error",
    options: { copy: "async" },
    edit: replacing("__pipeline_wait_prior(0);", "__pipeline_wait(0);"),
  },
  {
    id: "threads-for-all-depths",
    template: "box-tile",
    idea: "a thread per voxel of the box",
    expect: "launch_error",
    options: { box: "32x8x4", bounds: false },
    edit: (draft) => last(replacing("(BX * BY)", "(BX * BY * BZ * 2)")(draft), () => ({ block: [32, 64, 1] })),
  },
  {
    id: "whole-slab",
    template: "box-tile",
    idea: "stage the channels for the whole depth",
    expect: "launch_error",
    options: { stage: "all-channels" },
    edit: (draft) => last(draft, ({ smemBytes }) => ({ smemBytes: Number(smemBytes) * 12 })),
  },
  {
    id: "channel-stride-of-all",
    template: "depth-march",
    idea: "stride channels by the whole volume",
    expect: "launch_error",
    edit: replacing("((c * D + z) * H + y) * W + col", "(((size_t)c * CIN * D * D + z) * H * COUT + y) * W + col"),
  },
  {
    id: "depth-stands",
    template: "strip-march",
    idea: "skip planes outside the volume",
    expect: "timeout",
    options: { channels: "loop" },
    edit: replacing("z <= z1; ++z) {", "z <= z1; z += z < 0 ? 0 : 1) {"),
  },
];

const wrongResult: readonly Mistake[] = [
  {
    id: "filter-major",
    template: "value-thread",
    idea: "index the filters with channels outermost",
    expect: "incorrect",
    options: { weights: "given" },
    edit: replacing("weight[((f0) * CIN + c) * 27 + t]", "weight[(c * COUT + f0) * 27 + t]"),
  },
  {
    id: "two-planes",
    template: "value-thread",
    idea: "loop over two planes of taps",
    expect: "incorrect",
    edit: replacing("t < 27; ++t) {", "t < 18; ++t) {", true),
  },
  {
    id: "no-depth-test",
    template: "filter-group",
    idea: "test rows and columns only",
    expect: "incorrect",
    options: { guard: "unsigned" },
    edit: replacing("(unsigned)zz < D && ", ""),
  },
  {
    id: "kernel-reversed",
    template: "depth-march",
    idea: "apply the planes of taps in the order of the planes",
    expect: "incorrect",
    edit: replacing("(2 - j) * 9", "j * 9", true),
  },
  {
    id: "plane-not-awaited",
    template: "plane-march",
    idea: "compute right after the copies",
    expect: "incorrect",
    options: { buffers: "two", weights: "ldg", copy: "plain", block: "32x16" },
    edit: replacing("__syncthreads();", "", true),
  },
  {
    id: "late-start",
    template: "plane-march",
    idea: "start a chunk at its first plane",
    expect: "incorrect",
    options: { chunk: 12 },
    edit: replacing("for (int z = z0 - 1; z <= z1; ++z)", "for (int z = z0; z <= z1; ++z)"),
  },
  {
    id: "sums-not-moved",
    template: "strip-march",
    idea: "move on two planes of sums only",
    expect: "incorrect",
    edit: replacing("part[1][f][p] = part[2][f][p];", ""),
  },
  {
    id: "halo-left-open",
    template: "box-tile",
    idea: "fill the box without its last plane",
    expect: "incorrect",
    edit: replacing(/#define CELLS .*/, "#define CELLS ((BX + 2) * (BY + 2) * (BZ + 1))"),
  },
  {
    id: "three-channels",
    template: "channel-split",
    idea: "add the channels beyond the first to the second",
    expect: "incorrect",
    options: { combine: "store-and-sum", tail: "all-warps" },
    edit: replacing("float total = parts[0][row][f][lane];", "float total = parts[1][row][f][lane];"),
  },
  {
    id: "first-not-written",
    template: "part-launches",
    idea: "always add to the output",
    expect: "incorrect",
    options: { start: "first-writes", atomic: false },
    edit: replacing("pass == 0 ? sum[f] : *to + sum[f]", "*to + sum[f]"),
  },
  {
    id: "interleave-dropped",
    template: "channels-last",
    idea: "rearrange once before and keep the result",
    expect: "incorrect",
    edit: (draft) => ({ ...draft, launches: draft.launches.filter(({ kernel }) => kernel !== "interleave") }),
  },
  {
    id: "rim-of-one-column",
    template: "padded-volume",
    idea: "start at the rim's single column",
    expect: "incorrect",
    options: { fetch: "scalars" },
    edit: replacing("line[s + 3]", "line[s + 1]"),
  },
];

export const mistakes: readonly Mistake[] = [...noResult, ...wrongResult];
