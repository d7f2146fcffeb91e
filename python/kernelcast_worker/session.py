"""The device side of a runner: context, harness, the current task's buffers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from .check import Checker
from .environment import Environment
from .execute import Executor
from .faults import Fault
from .harness import Harness
from .memory import Memory
from .probe import Probe, describe
from .workspace import InputSet, Workspace

TASK_WARMUP_S = 0.15


class LoadedSets:
    """A dataset's input sets on one workspace, with fingerprints of what must not change."""

    def __init__(self, executor: Executor, workspace: Workspace, folder: str) -> None:
        self.manifest = json.loads((Path(folder) / "manifest.json").read_text())
        self.workspace, self._executor = workspace, executor
        self.sets: List[InputSet] = []
        for index, files in enumerate(self.manifest["sets"]):
            chosen = workspace.load_set(index, files)
            executor.hash_inputs(workspace, chosen)
            self.sets.append(chosen)
        held = [buffer for one in self.sets for buffer in one.buffers] + [workspace.zones, workspace.input_spans]
        self._spans = workspace.harness.spans([(buffer.address, buffer.size) for buffer in held])
        self._count = len(held)
        self._fingerprints = self._read()

    def _read(self) -> List[int]:
        slots = self._executor.harness.slots
        slots.clear()
        first = self._executor.harness.hash(self._spans, self._count)
        self._executor.collect()
        return [slots.words(first + i)[0] for i in range(self._count)]

    def intact(self) -> bool:
        """Whether pristine inputs and expected values are as they were loaded."""
        return self._read() == self._fingerprints

    def close(self) -> None:
        """Frees the sets."""
        for one in self.sets:
            self.workspace.drop_set(one)
        self.workspace.memory.release([self._spans])


class Loaded:
    """The current task on the device."""

    def __init__(self, session: Session, task: Mapping[str, Any], datasets: Mapping[str, Any]) -> None:
        self.task = task
        self.workspace = session.workspace(task["workload"])
        boundaries = [session.workspace(workload) for workload in task.get("boundary_workloads") or []]
        session.driver.observe(task, [self.workspace, *boundaries])
        self.main: Optional[LoadedSets] = None
        if datasets.get("main"):
            self.main = LoadedSets(session.executor, self.workspace, datasets["main"])
        self.boundary: List[LoadedSets] = []
        for workspace, folder in zip(boundaries, datasets.get("boundary") or []):
            self.boundary.append(LoadedSets(session.executor, workspace, folder))

    def close(self) -> None:
        """Frees everything."""
        for loaded in self.boundary:
            loaded.close()
            loaded.workspace.close()
        if self.main:
            self.main.close()
        self.workspace.close()


class Session:
    """One runner's device."""

    def __init__(self, driver: Any, image: bytes) -> None:
        self.driver = driver
        self.facts: Dict[str, Any] = driver.facts()
        self.memory = Memory(driver)
        self.harness = Harness(driver, self.memory, image, self.facts)
        self.executor = Executor(driver, self.harness)
        self.probe = Probe(driver, self.memory, self.harness)
        self.environment = Environment(self.facts)
        self.device: Dict[str, Any] = {}
        self._key = ""
        self._loaded: Optional[Loaded] = None
        self.warmup_s = 0.0

    def describe(self, known: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
        """The device's description, measured once per worker."""
        if known:
            self.device = dict(known)
        else:
            clocks = self.environment.nvml.max_clocks() if self.environment.nvml else {}
            self.device = describe(self.facts, self.probe, clocks, self.environment.driver)
        return self.device

    def workspace(self, workload: Mapping[str, Any]) -> Workspace:
        """Working buffers of a workload."""
        return Workspace(self.driver, self.memory, self.harness, workload)

    def load(self, key: str, task: Mapping[str, Any], datasets: Mapping[str, Any]) -> Loaded:
        """The task on the device; the one before makes room. The device is warmed up once per task."""
        stamp = json.dumps([key, datasets.get("main"), datasets.get("boundary")])
        if self._loaded is not None and self._key == stamp:
            return self._loaded
        self.unload()
        self._loaded, self._key = Loaded(self, task, datasets), stamp
        self.warmup_s = self.probe.warm_up(TASK_WARMUP_S)
        return self._loaded

    def unload(self) -> None:
        """Frees the current task."""
        if self._loaded is not None:
            loaded, self._loaded, self._key = self._loaded, None, ""
            loaded.close()

    def checker(self, loaded: LoadedSets, tolerance: Mapping[str, Any]) -> Checker:
        """A checker for one kernel on loaded sets."""
        return Checker(self.executor, loaded.workspace, loaded.sets, tolerance)

    def verify(self, loaded: LoadedSets) -> None:
        """Raises when a kernel wrote to memory of the harness."""
        if not loaded.intact():
            raise Fault("out_of_bounds", "memory of the harness changed while the kernel ran", fatal=True)
