"""The worker's folder: in memory where there is room, and gone when the worker is, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, List, Optional

_PREFIX, _LOCK = "kernelcast-", "lock"
_ROOMY_BYTES = 8 << 30
#: Waits for the worker to be gone, and a moment for its children, then removes its folder.
_CARETAKER = 'cat >/dev/null; for pause in 0 1 2; do sleep $pause; rm -rf -- "$1"; [ -e "$1" ] || exit 0; done'


class WorkFolder:
    """A new folder, locked while this process lives. A caretaker in a session of its own removes it if the worker is killed;
    what outlived even that is removed by the next worker."""

    def __init__(self, parent: Optional[str] = None) -> None:
        where = parent or _fast_folder() or tempfile.gettempdir()
        sweep(Path(where))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))
        fresh = self.path / f"{_LOCK}-fresh"
        self._lock = open(fresh, "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(self.path / _LOCK)  # under this name it was never unlocked while its worker lived
        self._caretaker = _start_caretaker(self.path)

    def remove(self) -> None:
        """Removes the folder and ends the caretaker."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        if self._caretaker is not None:
            self._caretaker.stdin.close()
            self._caretaker.wait()


def _start_caretaker(folder: Path) -> Any:
    command = ["/bin/sh", "-c", _CARETAKER, "sh", str(folder)]
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/", env={"PATH": os.defpath}
        )
    except OSError:
        return None


def sweep(parent: Path) -> List[str]:
    """Removes what workers of this user left behind that were killed; returns the folders' names."""
    removed = []
    for folder in parent.glob(_PREFIX + "*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.geteuid() or folder.is_symlink():
                continue
            with open(folder / _LOCK) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
        except OSError:  # held by a living worker, or no worker's folder
            continue
    return removed


def _fast_folder() -> Optional[str]:
    """Shared memory for the datasets where it is there and roomy, else the default folder for temporary files."""
    shared = "/dev/shm"
    try:
        status = os.statvfs(shared)
    except OSError:
        return None
    return shared if os.access(shared, os.W_OK) and status.f_bavail * status.f_frsize > _ROOMY_BYTES else None
