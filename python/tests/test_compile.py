"""The real NVRTC, where one is found."""

import pytest

from kernelcast_worker.compiler import Compiler, nvrtc_options, refused_option
from kernelcast_worker.controls import load_index
from kernelcast_worker.cubin import facts_of
from kernelcast_worker.nvrtc import NoCompiler, Nvrtc


@pytest.fixture(scope="module")
def nvrtc():
    try:
        return Nvrtc()
    except NoCompiler:
        pytest.skip("no NVRTC here: pip install nvidia-cuda-nvrtc, or run with a Python that has it")


def build(tmp_path, source, options=()):
    job = {"source": source, "options": list(options), "arch": "sm_90a", "image": str(tmp_path / "k.cubin")}
    return Compiler(None).handle(job)


def test_facts_of_a_kernel(nvrtc, tmp_path):
    source = '__device__ int state; extern "C" __global__ void f(float* a, int n) { __shared__ int s[8]; s[threadIdx.x & 7] = n;'
    source += " __syncthreads(); state = s[n & 7]; a[threadIdx.x] = state; }"
    facts = build(tmp_path, source)["facts"]
    assert facts["functions"]["f"]["parameters"] == [8, 4]
    assert facts["functions"]["f"]["regs"] > 0 and facts["functions"]["f"]["static_smem"] >= 32
    assert facts["writable_globals"] == 4


def test_an_image_without_a_log_says_as_much(nvrtc, tmp_path):
    """NVRTC's cache gives images without the assembler's log: registers and shared memory are then read from the image."""
    plain = "__shared__ int s[100]; s[threadIdx.x] = n; __syncthreads(); a[threadIdx.x] = s[n];"
    greedy = "float v[64]; for (int i = 0; i < 64; ++i) v[i] = a[i * n]; for (int i = 0; i < 64; ++i) a[i] = v[i] * v[63 - i];"
    source = f'extern "C" __global__ void plain(float* a, int n) {{ {plain} }}'
    source += f' extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* a, int n) {{ {greedy} }}'
    image, log = nvrtc.compile(source, nvrtc_options([], "sm_90a", nvrtc.version))
    logged, bare = facts_of(image, log)["functions"], facts_of(image, "")["functions"]
    assert logged["greedy"]["spill_bytes"] > 0 and "spill_bytes" not in bare["greedy"]
    assert logged["plain"] == bare["plain"] and bare["plain"]["static_smem"] == 400
    assert logged["greedy"]["regs"] == bare["greedy"]["regs"] == 32


def test_an_error_is_one_line(nvrtc, tmp_path):
    answer = build(tmp_path, 'extern "C" __global__ void f() { int a = b; }')
    assert not answer["ok"] and answer["error"].startswith("compile: ") and "\n" not in answer["error"]
    assert '"b" is undefined' in answer["error"]


def test_options_that_choose_the_target_are_refused(tmp_path):
    assert refused_option(["-DX=1", "--use_fast_math", "-maxrregcount=64"]) is None
    assert refused_option(["-DX=1", "--gpu-architecture=sm_80"])
    assert build(tmp_path, "", ["-arch=sm_80"])["error"].startswith("compile: the option")


def test_the_harness_compiles(nvrtc):
    from pathlib import Path

    import kernelcast_worker

    source = (Path(kernelcast_worker.__file__).parent / "harness.cu").read_text()
    image, log = nvrtc.compile(source, nvrtc_options([], "sm_90a", nvrtc.version))
    assert image[:4] == b"\x7fELF" and "bytes gmem" not in log.replace(" 0 bytes gmem", "")


def test_every_cheat_compiles(nvrtc, tmp_path):
    for entry in load_index()["kernels"]:
        answer = build(tmp_path, entry["source"])
        assert answer["ok"], (entry["name"], answer)
        names = answer["facts"]["functions"]
        assert all(launch["kernel"] in names for launch in entry["launches"])


def test_a_table_in_constant_memory_does_not_count_as_memory_that_outlives_a_launch(nvrtc, tmp_path):
    plain = 'extern "C" __global__ void f(float* a) { a[threadIdx.x] = 1; }'
    table = '__constant__ float table[8]; extern "C" __global__ void f(float* a) { a[threadIdx.x] = table[threadIdx.x & 7]; }'
    assert build(tmp_path, plain)["facts"]["writable_globals"] == 0
    assert build(tmp_path, table)["facts"]["writable_globals"] == 0


def test_files_outside_of_the_include_folders_are_not_read(nvrtc, tmp_path):
    kernel = 'extern "C" __global__ void f() {}'
    assert build(tmp_path, f"#include <cuda_fp16.h>\n{kernel}")["ok"]
    for source in ('#include "/etc/passwd"\n' + kernel, "#include </dev/zero>\n" + kernel):
        assert "including /" in build(tmp_path, source)["error"]
    assert "NUL" in build(tmp_path, kernel + "\0 more")["error"]
