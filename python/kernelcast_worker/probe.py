"""Measured ceilings of the device: bandwidth by reading and copying, and the time of an empty launch."""

from __future__ import annotations

import time
from typing import Any, Dict, List

from .execute import Executor
from .floor import flop_ceilings
from .harness import Harness
from .memory import Buffer, Memory
from .stats import median

_REPEATS = 12
_LIMIT_S = 10.0


class Probe:
    """Times the harness's own launches."""

    def __init__(self, driver: Any, memory: Memory, harness: Harness) -> None:
        self._driver, self._memory, self._harness = driver, memory, harness
        self._executor = Executor(driver, harness)
        self._begin, self._end = driver.event(), driver.event()

    def time(self, launch: Any, repeats: int = _REPEATS) -> List[float]:
        """Microseconds of each of several runs, enqueued behind a delay."""
        times = []
        for _ in range(repeats):
            self._driver.launch(self._harness.delay_launch(50_000))
            self._driver.record(self._begin)
            self._driver.launch(launch)
            self._driver.record(self._end)
            self._executor.wait(_LIMIT_S, candidate=False)
            times.append(self._driver.elapsed_us(self._begin, self._end))
        return times

    def bandwidth(self, l2_bytes: int) -> float:
        """Bytes per second: the larger of what reading and copying reach."""
        size = min(1 << 30, max(1 << 26, self._driver.free_memory() // 8), max(1 << 28, 16 * l2_bytes))
        buffers: List[Buffer] = [self._memory.plain(size), self._memory.plain(size)]
        for buffer in buffers:
            self._harness.fill_random(buffer.address, size)
        reading = min(self.time(self._harness.read_launch(buffers[0].address, size)))
        copying = min(self.time(self._harness.copy_launch(buffers[1].address, buffers[0].address, size)))
        self._memory.release(buffers)
        return float(max(size / reading, 2 * size / copying) * 1e6)

    def launch_floor(self) -> float:
        """Microseconds between the events around an empty launch."""
        return median(self.time(self._harness.nothing_launch(), 40))

    def warm_up(self, seconds: float) -> float:
        """Keeps the device reading for a while; returns the time taken."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            for _ in range(32):
                self._harness.flush()
            self._executor.wait(_LIMIT_S, candidate=False)
        return time.monotonic() - started


def describe(facts: Dict[str, Any], probe: Probe, clocks: Dict[str, Any], driver_version: str) -> Dict[str, Any]:
    """`device` of the protocol's `describe`."""
    probe.warm_up(0.15)
    capability = f"{facts['major']}.{facts['minor']}"
    sm_clock = clocks.get("sm_max_mhz") or facts["clock_khz"] / 1000
    memory_clock = clocks.get("memory_max_mhz") or facts["memory_clock_khz"] / 1000
    keys = ["multiprocessors", "memory_bytes", "l2_bytes", "max_threads_per_multiprocessor"]
    keys += ["registers_per_multiprocessor", "shared_memory_per_multiprocessor"]
    device = {"name": facts["name"], "compute_capability": capability, **{key: facts[key] for key in keys}}
    device["shared_memory_per_block"] = facts["shared_memory_per_block_optin"]
    device["bandwidth"] = round(probe.bandwidth(facts["l2_bytes"]))
    device["flops"] = flop_ceilings(capability, facts["multiprocessors"], sm_clock)
    device["launch_floor_us"] = round(probe.launch_floor(), 3)
    device["driver"] = driver_version
    device["clocks"] = {"sm_max_mhz": sm_clock, "memory_max_mhz": memory_clock}
    return device


def arch_of(capability: str) -> str:
    """The target that kernels are compiled for: the architecture-specific one where there is one."""
    major, minor = (int(part) for part in capability.split("."))
    return f"sm_{major}{minor}" + ("a" if major >= 9 else "")
