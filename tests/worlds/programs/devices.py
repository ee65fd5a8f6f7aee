"""A registry of devices: they report on any thread, while pages, alarms and a sweeper look at them.

Written from the documentation alone, with nothing but what ``cowstate`` exports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from cowstate import (
    MISSING,
    Aggregate,
    Commit,
    Index,
    Lagged,
    Record,
    Snapshot,
    Store,
    Transaction,
    UniqueViolationError,
)


class Device(Record):
    """What is known of one device. *seen* is when it last reported, in seconds."""

    site: str
    address: str
    seen: float
    online: bool = True
    tags: tuple[str, ...] = ()


class AddressTakenError(Exception):
    """Two devices say that they have one address."""


class Registry:
    """All devices, by serial number. Every method, from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.store: Store[str, Device] = Store(
            indexes={
                "address": Index(lambda device: device.address, unique=True),
                "site": Index(lambda device: device.site),
                "tag": Index(lambda device: device.tags, many=True),
            },
            aggregates={
                "devices": Aggregate.count(),
                "online": Aggregate.count(lambda device: device.online),
            },
        )

    # Devices report

    def report(self, serial: str, site: str, address: str, *tags: str) -> Device:
        """Note that a device is there; return what is known of it now."""
        now = self._clock()

        def seen_again(device: Device) -> Device:
            return device.replace(site=site, address=address, seen=now, online=True, tags=tags)

        new = Device(site, address, now, tags=tags)
        try:
            return self.store.update(serial, seen_again, default=new).after[serial]
        except UniqueViolationError as error:
            raise AddressTakenError(str(error)) from error

    def swap_addresses(self, one: str, other: str) -> None:
        """Exchange the addresses of two devices, in one step: none is ever without, or doubled."""

        def swap(tx: Transaction[str, Device]) -> None:
            first, second = tx[one], tx[other]
            tx[one] = first.replace(address=second.address)
            tx[other] = second.replace(address=first.address)

        self.store.transact(swap)

    def retire(self, serial: str) -> bool:
        """Forget a device; return whether there was one."""
        device = self.store.snapshot().get(serial)
        if device is None:
            return False
        return self.store.compare_and_set(serial, device, MISSING) is not None

    def sweep(self, patience: float) -> list[str]:
        """Call offline what has not reported for *patience* seconds; return which devices.

        One that reports meanwhile is left alone.
        """
        limit = self._clock() - patience
        swept = []
        for serial, device in self.store.snapshot().items():
            if device.online and device.seen < limit:
                late = device.replace(online=False)
                if self.store.compare_and_set(serial, device, late) is not None:
                    swept.append(serial)
        return swept

    # Pages look

    def page(self, site: str) -> dict[str, object]:
        """Return what a page shows of one site: all of it of one version."""
        now = self.store.snapshot()
        here = now.find_all("site", site)
        return {
            "version": now.version,
            "devices": sorted(here),
            "online": sum(device.online for device in here.values()),
            "online everywhere": now.total("online"),
        }

    def at(self, address: str) -> tuple[str, Device] | None:
        """Return the device at an address, with its serial number."""
        now = self.store.snapshot()
        serial = now.find_key("address", address)
        return None if serial is None else (serial, now[serial])

    def tagged(self, tag: str) -> set[str]:
        """Return the serial numbers of the devices with a tag."""
        return set(self.store.snapshot().find_all("tag", tag))

    def wait_until_online(self, count: int, timeout: float) -> Snapshot[str, Device]:
        """Wait until so many devices are online."""
        return self.store.wait_for(lambda now: now.total("online") >= count, timeout)


class Alarms:
    """Tells of each device that goes offline, comes back or is gone, once and in order."""

    def __init__(self, registry: Registry, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._subscription = registry.store.subscribe(
            self._look, on_lagged=self._missed, via="thread"
        )

    def _look(self, commit: Commit[str, Device]) -> None:
        for serial, (old, new) in commit.changes.items():
            if old is MISSING:
                continue
            if new is MISSING:
                self._tell(f"{serial} is gone")
            elif old.online and not new.online:
                self._tell(f"{serial} is offline")
            elif new.online and not old.online:
                self._tell(f"{serial} is back")

    def _missed(self, lagged: Lagged[str, Device]) -> None:
        self._tell(f"something was missed; {lagged.snapshot.total('online')} are online")

    def close(self) -> None:
        """Tell of nothing more."""
        self._subscription.close()


class Sites:
    """The devices of each site, for a part of the program that wants a dict. For one thread."""

    def __init__(self, registry: Registry) -> None:
        self._store = registry.store
        self._seen = self._store.snapshot()
        self.serials: dict[str, set[str]] = {}
        for serial, device in self._seen.items():
            self.serials.setdefault(device.site, set()).add(serial)

    def sync(self) -> int:
        """Bring it up to date, and return how many devices that concerned."""
        now = self._store.snapshot()
        changes = now.diff(self._seen)
        for serial, (old, new) in changes.items():
            if old is not MISSING:
                self.serials[old.site].discard(serial)
            if new is not MISSING:
                self.serials.setdefault(new.site, set()).add(serial)
        self._seen = now
        return len(changes)


@contextmanager
def sweeping(registry: Registry, patience: float, every: threading.Event) -> Generator[None]:
    """Sweep each time *every* is set, on a thread of its own, until the block ends."""
    stop = threading.Event()

    def loop() -> None:
        while True:
            every.wait()
            every.clear()
            if stop.is_set():
                return
            registry.sweep(patience)

    thread = threading.Thread(target=loop, name="sweeper")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        every.set()
        thread.join()
