"""A reader of the event log as `ingest` may be one: what a topic holds goes into a Delta table, each entry once.

Run as a program it is a process to be killed: `kafka_drain.py FOLDER SETTINGS_JSON SOURCE AT_MOST [BATCH:STEP]`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.kafka import stream
from infra.settings import KafkaSettings

Step = Callable[[int, str], None]


def drain(
    spark: Any,
    settings: KafkaSettings,
    source: str,
    folder: Path,
    *,
    at_most: int = 500_000,
    step: Step = lambda _batch, _step: None,
    epoch: int = 1,
    app: int | None = None,
) -> None:
    """Take in what the topic holds now; `step` is told before and after each write of each batch.

    A new checkpoint is a new epoch, and each epoch is an application of its own to Delta: its batches begin at 0 again
    and would else be taken for old ones.
    """

    def land(frame: Any, batch: int) -> None:
        step(batch, "before")
        writer = frame.write.format("delta").mode("append")
        writer = writer.option("txnAppId", f"log/{source}/{epoch if app is None else app}").option("txnVersion", batch)
        writer.save(str(folder / "table"))
        step(batch, "after")

    stream.drain(spark, settings, source, folder / f"checkpoint-{epoch}", land, at_most=at_most)


def main(folder: Path, settings: KafkaSettings, source: str, at_most: int, dies: str) -> None:
    from infra.settings import EngineSettings
    from infra.spark import session

    def step(batch: int, where: str) -> None:
        if f"{batch}:{where}" == dies:
            os.killpg(0, signal.SIGKILL)  # Python and its JVM at once: the group is theirs alone

    fast = "-XX:+UseParallelGC -XX:TieredStopAtLevel=1"
    engine = EngineSettings(driver_memory="1g", shuffle_partitions=2, java_options=fast)
    drain(session(engine, folder / "work"), settings, source, folder, at_most=at_most, step=step)


if __name__ == "__main__":
    at = sys.argv
    main(Path(at[1]), KafkaSettings.model_validate_json(at[2]), at[3], int(at[4]), at[5] if len(at) > 5 else "")
