import { describe, expect, it } from "vitest";
import { findHostCode, parseCudaKernels, requireCallable, withExternC } from "./cuda-signature.ts";

describe("parseCudaKernels", () => {
  it("reads names, pointers, constness and element types", () => {
    const [kernel] = parseCudaKernels(`
      // extern "C" __global__ void old(float* x) {}
      extern "C" __global__ void __launch_bounds__(256, 2) axpy(const float* __restrict__ x, float *y,
          /* factor */ const float a, unsigned long long n, __half const* h, const float4* v, int8_t q[]) {
        y[0] = a * x[n];
      }`);
    expect(kernel).toMatchObject({ name: "axpy", externC: true, template: false, launchBounds: 256 });
    expect(kernel?.parameters.map(({ name, pointer, readOnly, dtype }) => [name, pointer, readOnly, dtype])).toEqual([
      ["x", true, true, "f32"],
      ["y", true, false, "f32"],
      ["a", false, true, "f32"],
      ["n", false, false, "u64"],
      ["h", true, true, "f16"],
      ["v", true, true, "f32"],
      ["q", true, false, "i8"],
    ]);
  });

  it.each([
    ["__nv_bfloat162* p", "bf16"],
    ["uint2 *p", "u32"],
    ["std::size_t p", "u64"],
    ["half2* p", "f16"],
    ["Params p", undefined],
    ["unsigned p", "u32"],
    ["longlong2* p", "i64"],
  ])("knows the element of %s", (declaration, dtype) => {
    expect(parseCudaKernels(`__global__ void f(${declaration}) {}`)[0]?.parameters[0]?.dtype).toBe(dtype);
  });

  it("finds definitions only, and knows an extern block", () => {
    const source = `
      __global__ void declared(float* x);
      extern "C" { __global__ void inside(float* x) { if (x) {} } }
      __global__ void outside() {}
      template <typename T> __global__ void generic(T* x) {}
      static __global__ void hidden(void) {}`;
    expect(
      parseCudaKernels(source).map(({ name, externC, template, isStatic }) => ({ name, externC, template, isStatic })),
    ).toEqual([
      { name: "inside", externC: true, template: false, isStatic: false },
      { name: "outside", externC: false, template: false, isStatic: false },
      { name: "generic", externC: false, template: true, isStatic: false },
      { name: "hidden", externC: false, template: false, isStatic: true },
    ]);
    expect(parseCudaKernels(source).map(({ parameters }) => parameters.length)).toEqual([1, 0, 1, 0]);
  });

  it("gives nothing for text that is no CUDA", () => {
    expect(parseCudaKernels("__global__ void f(")).toEqual([]);
    expect(parseCudaKernels('char* s = "__global__ void f() {}";')).toEqual([]);
  });
});

describe("withExternC", () => {
  it("adds the linkage where it lacks, and nothing else", () => {
    const source = '__global__ void a() {}\nextern "C" __global__ void b() {}\n__global__ void c() {}\n';
    const changed = withExternC(source, parseCudaKernels(source));
    expect(changed).toBe(
      'extern "C" __global__ void a() {}\nextern "C" __global__ void b() {}\nextern "C" __global__ void c() {}\n',
    );
    expect(parseCudaKernels(changed).every(({ externC }) => externC)).toBe(true);
  });

  it.each([
    ["__launch_bounds__(256) __global__ void k(int* x) {}", 'extern "C" __launch_bounds__(256) __global__ void k'],
    ["void __global__ k(int* x) {}", 'extern "C" void __global__ k'],
    ["inline __global__ void k(int* x) {}", 'extern "C" inline __global__ void k'],
    ["int a;\n__global__ void k(int* x) {}", 'int a;\nextern "C" __global__ void k'],
  ])("puts it before all specifiers: %s", (source, start) => {
    expect(withExternC(source, parseCudaKernels(source))).toBe(`${start}(int* x) {}`);
  });

  it("adds it to forward declarations too, which must agree", () => {
    const source = "__global__ void k(int* x);\n__global__ void k(int* x) {}\n__global__ void other(int*);\n";
    expect(withExternC(source, parseCudaKernels(source))).toBe(
      'extern "C" __global__ void k(int* x);\nextern "C" __global__ void k(int* x) {}\n__global__ void other(int*);\n',
    );
  });
});

describe("requireCallable", () => {
  it.each([
    ["template <int N> __global__ void k(int* x) {}", /kernel k is a template; write the instance/],
    ["static __global__ void k(int* x) {}", /kernel k is static .*; remove "static"/],
    ["namespace { __global__ void k(int* x) {} }", /kernel k is in an unnamed namespace .*; move it out/],
    ["__global__ void k(float*, int n) {}", /a parameter "float\*" that has no name that can be read; declare it as/],
    ["__global__ void k(float* x, int) {}", /a parameter "int" that has no name/],
    ["__global__ void k(const float (*x)[64]) {}", /"const float \(\*x\)\[64\]" that has no name/],
    ["__global__ void k(float** x) {}", /"float\*\* x" that is a pointer to pointers; pass each array/],
    ["__global__ void k(const float& a, float* x) {}", /"const float& a" that is a reference/],
    ["__global__ void k(int n) {}", /kernel k has no pointer parameter, so it has no output to check/],
  ])("%s", (source, message) => {
    const [kernel] = parseCudaKernels(source);
    expect(() => kernel && requireCallable(kernel)).toThrow(message);
  });

  it("takes what NVRTC can call", () => {
    for (const source of [
      "namespace mine { __global__ void k(std::uint8_t* x, const bool flip) {} }",
      "__global__ void k(float* const out, struct Params* p, unsigned n) {}",
    ]) {
      const [kernel] = parseCudaKernels(source);
      expect(() => kernel && requireCallable(kernel)).not.toThrow();
    }
    expect(parseCudaKernels("__global__ void k(std::uint8_t* x) {}")[0]?.parameters[0]?.dtype).toBe("u8");
  });
});

describe("findHostCode", () => {
  it.each([
    ["int main() { return 0; }", "a main function"],
    ["void run() { k<<<1, 2>>>(); }", "a <<<…>>> launch"],
    ["#include <cuda_runtime.h>\n", "#include of cuda_runtime.h"],
  ])("sees %j", (source, found) => expect(findHostCode(source)).toBe(found));

  it("lets device code pass", () => {
    expect(
      findHostCode('#include <cuda_fp16.h>\n// main() <<<1, 2>>>\nextern "C" __global__ void k() {}'),
    ).toBeUndefined();
  });
});
