"""The line of measurements that wait, with the tasks they need in order."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import Any, Callable, Deque, Iterator, List


class Waiting:
    """Jobs in order; internal ones go first. Everything the loop asks for at each event takes constant time."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._jobs: Deque[Any] = deque()
        self._tasks: OrderedDict[str, int] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __contains__(self, job: Any) -> bool:
        return job in self._jobs

    def __iter__(self) -> Iterator[Any]:
        """The jobs that are looked at: the first of the line."""
        return iter(list(islice(self._jobs, self._window)))

    def add(self, job: Any) -> None:
        """Queues a job, an internal one behind the internal ones."""
        if job.internal:
            self._jobs.insert(sum(1 for one in islice(self._jobs, self._window) if one.internal), job)
        else:
            self._jobs.append(job)
        self._count(job)

    def put_back(self, job: Any) -> None:
        """Puts a job at the head of the line."""
        self._jobs.appendleft(job)
        self._count(job)
        self._tasks.move_to_end(job.params["task_key"], last=False)

    def remove(self, job: Any) -> None:
        """Takes a job out of the line."""
        self._jobs.remove(job)
        key = job.params["task_key"]
        self._tasks[key] -= 1
        if not self._tasks[key]:
            del self._tasks[key]

    def matching(self, matches: Callable[[Any], bool]) -> List[Any]:
        """All jobs, near and far, that match."""
        return [job for job in self._jobs if matches(job)]

    def tasks(self, most: int) -> List[str]:
        """The keys of the tasks that are needed first."""
        return list(islice(self._tasks, most))

    def _count(self, job: Any) -> None:
        key = job.params["task_key"]
        self._tasks[key] = self._tasks.get(key, 0) + 1
        if job.internal:
            self._tasks.move_to_end(key, last=False)
