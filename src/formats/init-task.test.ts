import { describe, expect, it } from "vitest";
import { makeTaskFiles, taskIdOf, type InitDetails } from "./init-task.ts";
import { noAnswers, planInit, splitExpressions, type InitAnswers, type InitPlan } from "./init-task-plan.ts";

const axpy = `__global__ void axpy(const float* x, float* y, float a, int n) { y[0] = a * x[n - 1]; }`;
const softmax = `
extern "C" __global__ void rowmax(const __half* x, float* peak, int rows, int columns) {}
extern "C" __global__ void scale(const __half* x, const float* peak, __half* out, int rows, int columns) {}`;

function answer(answers: Partial<InitAnswers>): InitAnswers {
  return { ...noAnswers, ...answers };
}

function completed(source: string, answers: Partial<InitAnswers>): Extract<InitPlan, { complete: true }> {
  const plan = planInit(source, "my.cu", answer(answers));
  if (!plan.complete) throw new Error(`open: ${plan.questions.map(({ flag }) => flag).join(" ")}`);
  return plan;
}

function flags(source: string, answers: Partial<InitAnswers> = {}): string[] {
  const plan = planInit(source, "my.cu", answer(answers));
  return plan.complete ? [] : plan.questions.map(({ flag }) => flag);
}

const axpyAnswers = { sizes: { n: "1024" }, scalars: { a: "2.5" }, grids: ["ceil_div(n, 128)"], blocks: ["128"] };
const details: InitDetails = {
  taskId: "my",
  draws: {},
  reference: 'def reference(inputs, sizes):\n    return {"y": 1}\n',
};

describe("planInit", () => {
  it("asks for what the signature does not say, and no more", () => {
    expect(flags(axpy)).toEqual(["--scalar a=1.0", "--size n=1048576", '--grid "ceil_div(n, 256)"', "--block 256"]);
    expect(flags(axpy, axpyAnswers)).toEqual([]);
    expect(flags(softmax)).toEqual(["--kernel rowmax --kernel scale"]);
    const sized = {
      kernels: ["rowmax", "scale"],
      sizes: { rows: "64", columns: "128" },
      grids: ["rows", "rows"],
      blocks: ["32", "32"],
    };
    expect(flags(softmax, sized)).toEqual([
      "--shape x=rows,columns",
      "--shape peak=rows,columns",
      "--shape out=rows,columns",
    ]);
    expect(flags("__global__ void f(Thing* t) {}", { sizes: { n: "1" } })).toContain("--dtype t=f32");
    expect(flags("__global__ void f(float* t) {}")).toContain("--size n=1048576");
  });

  it("takes const pointers for inputs and the others for outputs, and says so", () => {
    const plan = completed(axpy, axpyAnswers);
    expect(plan.args.map(({ name, role, shape }) => [name, role, shape])).toEqual([
      ["x", "in", ["n"]],
      ["y", "out", ["n"]],
    ]);
    expect(plan.notes.join()).toMatch(/y: taken for out.*x, y: shape taken for \[n\]/);
    const said = completed(axpy, { ...axpyAnswers, roles: { y: "inout" }, shapes: { x: "n", y: "n" } });
    expect(said.notes).toEqual([]);
  });

  it.each([
    ["int main() {}", {}, /holds host code \(a main function\)/],
    ["void f() {}", {}, /defines no __global__ function/],
    [axpy, { kernels: ["saxpy"] }, /--kernel saxpy: .* \(it has axpy\)/],
    [axpy, { ...axpyAnswers, roles: { z: "in" } }, /--role z=…: no pointer of that name \(there are x, y\)/],
    [axpy, { ...axpyAnswers, roles: { y: "output" } }, /--role y=output: not one of in, out/],
    [axpy, { ...axpyAnswers, scalars: { a: "1", b: "2" } }, /--scalar b=…: no scalar parameter/],
    [axpy, { ...axpyAnswers, sizes: { n: "many" } }, /--size n=many: not a positive whole number/],
    [axpy, { ...axpyAnswers, grids: ["1,2,3,4"] }, /more than three dimensions/],
    ["__global__ void f(float* x, Thing t) {}", {}, /parameter "Thing t" is neither a pointer nor a number/],
    [
      "__global__ void f(float* x) {} __global__ void g(int* x) {}",
      { kernels: ["f", "g"] },
      /"x" is f32 in one kernel and i32/,
    ],
  ])("refuses %j %j", (source, answers, message) => {
    expect(() => planInit(source, "my.cu", answer(answers))).toThrow(message);
  });
});

describe("makeTaskFiles", () => {
  it("makes a task that loads", () => {
    const { files, task, incomplete, notes } = makeTaskFiles(axpy, completed(axpy, axpyAnswers), details);
    expect(incomplete).toBe(false);
    expect(files["seed.cu"]).toBe(`extern "C" ${axpy}`);
    expect(notes.join()).toContain('extern "C" added to axpy');
    expect(task).toMatchObject({
      taskId: "my",
      family: "custom",
      precisions: ["f32"],
      tolerance: { type: "allclose", rtol: 1e-4, atol: 1e-5 },
      workload: { sizes: { n: 1024 }, flops: 0, bytesMin: 8192 },
    });
    expect(task.seedKernel.launches[0]?.args).toEqual(["x", "y", { f32: 2.5 }, { i32: "n" }]);
  });

  it("keeps a task incomplete until its reference is written", () => {
    const plan = completed(axpy, axpyAnswers);
    const { files, incomplete } = makeTaskFiles(axpy, plan, { taskId: "my", draws: {} });
    expect(incomplete).toBe(true);
    expect(files["reference.py"]).toContain('x = inputs["x"]');
    expect(files["reference.py"].split("\n")[0]).toMatch(/^# kernelcast: incomplete/);
  });

  it("derives bytes, precisions and tolerance of several kernels", () => {
    const plan = completed(softmax, {
      kernels: ["rowmax", "scale"],
      sizes: { rows: "64", columns: "128" },
      roles: { peak: "scratch" },
      shapes: { x: "rows,columns", peak: "rows", out: "rows, columns" },
      grids: ["rows", "ceil_div(columns, 32), rows"],
      blocks: ["32", "32,4"],
      smems: ["0", "4*columns"],
    });
    const reference = 'def reference(inputs, sizes):\n    return {"out": inputs["x"]}\n';
    const { task } = makeTaskFiles(softmax, plan, { ...details, reference, flops: "3*rows*columns" });
    expect(task.workload).toMatchObject({ bytesMin: 2 * 2 * 64 * 128, flops: 3 * 64 * 128 });
    expect(task.precisions).toEqual(["f32", "f16"]);
    expect(task.tolerance).toMatchObject({ rtol: 1e-2 });
    expect(task.seedKernel.launches[1]).toMatchObject({
      grid: ["ceil_div(columns, 32)", "rows", 1],
      block: [32, 4, 1],
      smemBytes: "4*columns",
    });
  });

  it.each([
    [{ draws: { x: "gauss:0:1" } }, /--draw x=gauss:0:1: write normal/],
    [{ draws: { x: "normal:0" } }, /--draw x=normal:0: write normal/],
    [{ tolerance: "rtol=1e-3" }, /--tolerance "rtol=1e-3": write exact/],
    [{ tolerance: "rtol=1,atol=x" }, /--tolerance/],
    [{ precisions: ["fp8"] }, /--precision fp8: not one of/],
    [{ flops: "n *" }, /expression "n \*"/],
    [{ reference: "x = 1" }, /does not define reference/],
  ])("refuses %j", (wrong, message) => {
    expect(() => makeTaskFiles(axpy, completed(axpy, axpyAnswers), { ...details, ...wrong })).toThrow(message);
  });

  it("takes a tolerance with a fraction, and every draw", () => {
    const draws = { x: "constant:3" };
    const { task } = makeTaskFiles(axpy, completed(axpy, axpyAnswers), {
      ...details,
      draws,
      tolerance: "rtol=0.1, atol=0, max_fraction=0.02",
    });
    expect(task.tolerance).toEqual({ type: "mismatch_frac", rtol: 0.1, atol: 0, maxFraction: 0.02 });
    expect(task.workload.args[0]?.draw).toEqual({ constant: 3 });
  });
});

it("splits at outer commas only", () => {
  expect(splitExpressions("ceil_div(n, 2), max(a, min(b, c)),1")).toEqual(["ceil_div(n, 2)", "max(a, min(b, c))", "1"]);
});

it("makes ids of file names", () => {
  expect([taskIdOf("a/My_Kernel.v2.cu"), taskIdOf("é.cu")]).toEqual(["my-kernel-v2", "task"]);
});
