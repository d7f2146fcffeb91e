"""What a kernel may name and use while it is compiled."""

import subprocess
import sys

import pytest
from helpers import ROOT

from kernelcast_worker.bounds import refused_include, refused_option

FINE = [
    "#include <cuda_fp16.h>\n",
    '#include "cub/block/block_reduce.cuh"\n',
    "  #  include<cuda/std/limits>\n",
    "// we #include what we need, see ../notes\n",
    "/* see\n#include <mma.h> */\n",
    "#define include_all 1\n",
    "int a = b / *c; // #include </dev/zero>\n",
    "#include <a..b.h>\n",
]
FOREIGN = [
    '#include "/etc/passwd"\n',
    "#include </dev/zero>\n",
    '#include "../../../etc/hostname"\n',
    '#include "a/../../b"\n',
    '#define F "/etc/passwd"\n#include F\n',
    '#inc\\\nlude "/etc/passwd"\n',
    '#inc??/\nlude "/etc/passwd"\n',
    '%:include "/etc/passwd"\n',
    '??=include "/etc/passwd"\n',
    '/* a */ # /* b\n */ include /* c */ "/etc/passwd"\n',
    "/* a\n*/#include </dev/zero>\n",
    "#include_next </dev/zero>\n",
    '#embed "/etc/passwd"\n',
    '\f#\vinclude "/etc/passwd"\n',
    'int a;\r\n#include "/etc/passwd"\r\n',
    "#include \\\n </dev/zero>\n",
    '#include "~/.ssh/id"\n',
]


@pytest.mark.parametrize("source", FINE)
def test_headers_of_the_include_folders_are_fine(source):
    assert refused_include(source) is None


@pytest.mark.parametrize("source", FOREIGN)
def test_other_files_are_not(source):
    assert refused_include("int before;\n" + source)


def test_many_comments_take_no_time():
    assert refused_include("/* a */ " * 2000 + "\n" + "/**/" * 500 + "int a;\n" * 20000) is None


@pytest.mark.parametrize(
    "options,refused",
    [
        (["-DBLOCK=128", "--use_fast_math", "-std=c++17", "-I/opt/cutlass/include", "-Xptxas", "-O3"], None),
        (["-include=cuda_fp16.h"], None),
        (["-DX=1", "--pre-include=/etc/passwd"], "--pre-include=/etc/passwd"),
        (["-include", "/etc/passwd"], "/etc/passwd"),
        (["-include=../x"], "-include=../x"),
        (["-arch=sm_80"], "-arch=sm_80"),
        (["--gpu-architecture", "sm_80"], "--gpu-architecture"),
        (["-time=/tmp/x"], "-time=/tmp/x"),
        (["-fdevice-time-trace=/tmp/x"], "-fdevice-time-trace=/tmp/x"),
        ([" -G"], " -G"),
    ],
)
def test_options(options, refused):
    assert refused_option(options) == refused


def test_a_compilation_cannot_take_all_memory():
    code = """
import kernelcast_worker.bounds as bounds
bounds.MEMORY_BYTES = bounds._LEAST_MEMORY_BYTES = 1 << 29
bounds.limit_process()
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "refused\n", done.stderr
