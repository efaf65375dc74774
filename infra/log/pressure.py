"""When the spool refuses entries, and what it says then: a rule on what was measured."""

from dataclasses import dataclass

from infra.log.port import LogBusy, LogUnavailable
from infra.settings import SpoolSettings

_BUSY, _FULL = 0.7, 0.9  # of the quota: first who can wait is sent away, then everybody


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the spool's disk: its trouble, if any, what waits, what is free, how long an fsync takes."""

    trouble: str
    waiting: int
    free: int
    fsync_seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is accepted now, when to ask again, and whether it is a matter of load (busy) or of the disk."""

    because: str
    retry_after: int
    busy: bool = False

    def error(self) -> LogBusy | LogUnavailable:
        """Return a new error that says so."""
        kind = LogBusy if self.busy else LogUnavailable
        return kind(self.because, retry_after=self.retry_after)


CLOSED = Refusal("the event log is being closed; send it again to the server that follows", 2)
ENDED = Refusal("the event log's writer has ended by a fault of its own; restart the server", 10)


def refusal(now: Measured, settings: SpoolSettings) -> Refusal | None:
    """Return why the disk's state forbids accepting anything, the gravest reason first, or None."""
    quota, used = settings.quota, f"{now.waiting} of {settings.quota} bytes wait for the lake"
    if now.trouble:
        return Refusal(
            f"the event log cannot write ({now.trouble}); free space on its disk or repair it, it goes on by itself", 2
        )
    if now.free < settings.free:
        return Refusal(
            f"the event log's disk has {now.free} bytes left, fewer than the {settings.free} of spool.free; free space",
            5,
        )
    if now.waiting > _FULL * quota:
        return Refusal(f"the event log is full: {used}; run `kindred ingest`, or raise spool.quota", 10)
    if now.fsync_seconds > settings.slow:
        return slow(now.fsync_seconds, settings)
    if now.waiting > _BUSY * quota:
        return Refusal(
            f"the event log is nearly full: {used}; run `kindred ingest`, or raise spool.quota", 5, busy=True
        )
    return None


def slow(seconds: float, settings: SpoolSettings) -> Refusal:
    """Return the refusal of a disk whose fsync takes so long, or has not yet ended after so long."""
    return Refusal(
        f"the event log's disk takes {seconds:.1f} s to make data durable, longer than the {settings.slow:g} s of "
        "spool.slow; relieve or replace it",
        2,
    )


def crowded(settings: SpoolSettings) -> Refusal:
    """Return the refusal of a log whose memory is full of entries that wait for the disk."""
    return Refusal(
        f"{settings.memory} bytes (spool.memory) wait for the event log's disk; send more slowly", 1, busy=True
    )
