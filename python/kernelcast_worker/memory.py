"""Device buffers whose end lies against unmapped memory and whose slack is a guard zone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Tuple

from .driver import OUT_OF_MEMORY, DriverError

ALIGNMENT = 256
#: Guard on either side where the driver has no virtual memory management.
FALLBACK_GUARD = 65536


def round_up(value: int, step: int) -> int:
    """The least multiple of `step` that is not below `value`."""
    return -(-value // step) * step


@dataclass
class Buffer:
    """A device allocation; `zones` are the (address, bytes) of its guard zones."""

    address: int
    size: int
    base: int
    reserved: int = 0
    mapped: int = 0
    handle: int = 0
    zones: List[Tuple[int, int]] = field(default_factory=list)


class Memory:
    """Allocates guarded working buffers and plain ones, and frees all of a group at once."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.virtual = bool(driver.has_virtual_memory)
        self._page = driver.granularity() if self.virtual else 0

    @property
    def guard(self) -> str:
        """How writes outside a buffer are caught, for the receipt."""
        if self.virtual:
            return f"each buffer in its own mapping, {self._page} byte pages, canary in the slack, unmapped pages around"
        return f"canary zones of {FALLBACK_GUARD} bytes around each buffer; the driver refused virtual memory management"

    def guarded(self, size: int) -> Buffer:
        """A 256-byte aligned working buffer."""
        if self.virtual:
            try:
                return self._mapped(size)
            except DriverError as error:
                if error.sticky or error.code == OUT_OF_MEMORY:
                    raise
                self.virtual = False
        return self._padded(size)

    def plain(self, size: int) -> Buffer:
        """A buffer of the harness's own, padded to whole 16-byte units."""
        address = self._driver.allocate(round_up(max(size, 16), 16))
        return Buffer(address, size, address)

    def release(self, buffers: List[Buffer]) -> None:
        """Frees buffers and empties the list."""
        while buffers:
            buffer = buffers.pop()
            if buffer.handle:
                self._driver.unmap(buffer.base, buffer.mapped, buffer.handle)
                self._driver.unreserve(buffer.base - self._page, buffer.reserved)
            else:
                self._driver.free(buffer.base)

    def _mapped(self, size: int) -> Buffer:
        mapped = round_up(max(size, 1), self._page)
        reserved = mapped + 2 * self._page
        start = self._driver.reserve(reserved)
        base = start + self._page
        try:
            handle = self._driver.map(base, mapped)
        except DriverError:
            self._driver.unreserve(start, reserved)
            raise
        address = base + mapped - round_up(max(size, 1), ALIGNMENT)
        zones = _zones(base, address, address + size, base + mapped)
        return Buffer(address, size, base, reserved, mapped, handle, zones)

    def _padded(self, size: int) -> Buffer:
        end = FALLBACK_GUARD + round_up(max(size, 1), ALIGNMENT)
        base = self._driver.allocate(end + FALLBACK_GUARD)
        address = base + FALLBACK_GUARD
        zones = _zones(base, address, address + size, base + end + FALLBACK_GUARD)
        return Buffer(address, size, base, zones=zones)


def _zones(start: int, first: int, last: int, end: int) -> List[Tuple[int, int]]:
    return [(a, b - a) for a, b in ((start, first), (last, end)) if b > a]
