"""Fixtures that the whole suite shares."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A zone that is not UTC and has daylight saving: a naive datetime anywhere shows at once.
os.environ["TZ"] = "Pacific/Auckland"
time.tzset()

# Made up, for workspaces that tests write without keys of their own; those that lack one take it out.
os.environ.setdefault("KINDRED_SIGNING_KEY", "5" * 64)
os.environ.setdefault("KINDRED_SUBJECT_KEY", "7" * 64)

# A shell's background job hears no Ctrl-C, nor do its children; the commands under test must.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

LONGEST = "test_demo.py"
TOKEN_KEY = b"test-token-key-of-at-least-32-characters"


def _busy(item: pytest.Item) -> bool:
    """Say whether a test computes all the time it takes; others wait for processes and brokers most of it."""
    return item.get_closest_marker("spark") is not None


def _idle(item: pytest.Item) -> bool:
    return item.get_closest_marker("e2e") is not None or "kafka_broker" in getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers side by side end together, and one compute while another waits.

    The longest file begins, and those that take moments are left for the end. Between them files of tests that wait
    are spread evenly among those of tests that compute.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    first = [path for path in files if path.name == LONGEST]
    busy = [path for path in files if path not in first and any(map(_busy, files[path]))]
    idle = [path for path in files if path not in first and path not in busy and any(map(_idle, files[path]))]
    place = {path: number / len(some) for some in (busy, idle) for number, path in enumerate(some)}
    place |= dict.fromkeys(first, -1.0)
    # sorted is stable: whatever is not placed stays in the order that it came in
    items[:] = [item for path in sorted(files, key=lambda path: place.get(path, 2.0)) for item in files[path]]


@pytest.fixture
def token_key() -> bytes:
    return TOKEN_KEY


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Spark session of the run."""
    from infra.settings import EngineSettings
    from infra.spark import session

    # The tests' plans are many and their rows few: the first compiler alone costs less than both.
    engine = EngineSettings(
        driver_memory="3g",
        shuffle_partitions=2,
        java_options="-XX:+UseParallelGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    )
    spark = session(engine, tmp_path_factory.mktemp("spark"))
    if os.environ.get("HYPOTHESIS_PROFILE") != "nightly":
        # Rows are few here and plans many: neither compiling a plan nor planning it anew pays. The end-to-end tests,
        # and all tests at night, run as the product does.
        spark.conf.set("spark.sql.codegen.wholeStage", "false")
        spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    yield spark
    spark.stop()


@pytest.fixture
def lake(spark: Any, tmp_path: Path) -> Any:
    """An empty lake of run 1."""
    from infra.lake import Lake

    return Lake(spark, tmp_path / "lake", 1, {})


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The labelled data pack, or a skip by name where it is absent."""
    path = Path(os.environ.get("KINDRED_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")).resolve()
    if not path.is_dir():
        pytest.skip("KINDRED_TEST_DATA: the labelled data pack is absent")
    return path


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The one Kafka broker of the run; each test has topics of its own, and leaves it running."""
    from brokers import LocalBroker

    broker = LocalBroker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()
