"""Several processes, one for each GPU of a machine, which share every step: each learns from its part of the examples."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import Any, Dict, List, Sequence, Tuple, TypeVar

import torch
from torch import Tensor

from .config import Config

T = TypeVar("T")


class Team:
    """This process's place among those that were started together; alone where none were."""

    def __init__(self) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.is_first = self.rank == 0
        if self.size > 1 and not torch.distributed.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")

    def part_of(self, examples: Sequence[T]) -> List[T]:
        """This process's examples of a step; every process has as many, or one less."""
        return list(examples[self.rank :: self.size])

    def add_up(self, gradients: Sequence[Tensor]) -> None:
        """In place, over all processes."""
        if self.size == 1:
            return
        flat = torch.cat([one.flatten() for one in gradients])
        torch.distributed.all_reduce(flat)
        for one, part in zip(gradients, flat.split([one.numel() for one in gradients])):
            one.copy_(part.view_as(one))

    def total(self, values: Dict[str, float], device: torch.device) -> Dict[str, float]:
        """Sums over all processes."""
        if self.size == 1:
            return values
        sums = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        torch.distributed.all_reduce(sums)
        return dict(zip(values, sums.tolist()))

    def wait(self) -> None:
        if self.size > 1:
            torch.distributed.barrier()


def is_leader(config: Config) -> bool:
    """Whether this process is to start those that share the steps, and do nothing else."""
    return config.processes > 1 and "RANK" not in os.environ


def lead(command: str, config: Config) -> int:
    """Runs the processes to their end; the exit code of the first that failed, after which the others are stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [_start(command, rank, config, port) for rank in range(config.processes)]
    try:
        return _wait(started)
    finally:
        for _, process in started:
            process.kill()


def _start(command: str, rank: int, config: Config, port: int) -> Tuple[int, subprocess.Popen]:
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": config.processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    env = {**os.environ, **{name: str(value) for name, value in places.items()}}
    said: Any = None if rank == 0 else subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelcast_train.lm", command], stdin=subprocess.PIPE, stdout=said, env=env, text=True
    )
    assert process.stdin
    process.stdin.write(json.dumps(asdict(config)))
    process.stdin.close()
    return rank, process


def _wait(started: Sequence[Tuple[int, subprocess.Popen]]) -> int:
    left = dict(started)
    while left:
        for rank, process in list(left.items()):
            try:
                code = process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            del left[rank]
            if code != 0:
                return code if code > 0 else 128 - code
    return 0
