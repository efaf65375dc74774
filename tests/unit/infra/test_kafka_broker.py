"""The broker of one machine: started once, found again, ended in order or not, its data kept; and its command."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import jars
from infra.errors import Held, Unavailable
from infra.kafka import broker


def test_it_is_found_ended_and_started_again_over_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "kafka"
    assert broker.status(folder) is None
    assert not broker.stop(folder)
    try:
        first = broker.start(folder)
        assert not first.ran_already
        again = broker.start(folder)
        assert again == broker.Started(first.broker, ran_already=True)
        with pytest.raises(Held, match="runs on port"):
            broker.start(folder, 1)
        assert broker.status(folder) == first.broker
        assert broker.answers(first.broker.port)
        assert folder.stat().st_mode & 0o777 == 0o700
        cluster = (folder / "data" / "meta.properties").read_text(encoding="utf-8")

        os.kill(first.broker.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while broker.status(folder) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert broker.status(folder) is None
        second = broker.start(folder)
        assert second.broker.port == first.broker.port
        assert (folder / "data" / "meta.properties").read_text(encoding="utf-8") == cluster
        assert broker.stop(folder)
        assert not broker.answers(second.broker.port)
    finally:
        broker.stop(folder)


def test_it_listens_on_loopback_alone(kafka_broker: Any) -> None:
    """Nobody asks for a password there, so nobody else may come."""
    tables = [Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:] for name in ("tcp", "tcp6")]
    port = f"{kafka_broker.port:04X}"
    listening = [row.split()[1] for rows in tables for row in rows if row.split()[3] == "0A"]
    addresses = {address.rpartition(":")[0] for address in listening if address.endswith(f":{port}")}
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert addresses


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Held, match=r"port \d+ is taken"):
            broker.start(tmp_path, taken.getsockname()[1])
    assert broker.status(tmp_path) is None


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n", encoding="utf-8")
    with pytest.raises(Unavailable, match=r"ended while it started: .*; see kafka/broker.log"):
        broker.start(tmp_path)
    assert broker.status(tmp_path) is None


def test_half_a_format_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / "data.draft"
    draft.mkdir()
    (draft / "meta.properties").write_text("half", encoding="utf-8")
    try:
        assert not broker.start(tmp_path).ran_already
    finally:
        broker.stop(tmp_path)
    assert not draft.exists()


def test_nothing_is_resolved_where_the_jars_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(jars.broker_jars().glob("kafka_2.13-*.jar"))
    assert list(jars.broker_jars().glob("scala-logging*.jar")), "bundles belong to it"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jars.broker_jars().is_dir()
    with pytest.raises(Unavailable, match="install a JDK 17"):
        jars.fetched("other", ("a:b:1",), tmp_path)


def test_jars_that_do_not_exist_are_named_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be resolved"):
        jars.fetched("other", ("org.example.kindred:never:1",), tmp_path)
    assert [path.name for path in (tmp_path / "kindred").iterdir()] == [".lock"]


@pytest.fixture
def kindred(tmp_path: Path) -> Iterator[Any]:
    root = tmp_path / "shop"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def command(*words: str) -> Any:
        return subprocess.Popen(
            [sys.executable, "-m", "api.cli.main", *words, *(["-w", str(root)] if words[0] == "kafka" else [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    assert command("init", str(root)).communicate()[0]
    yield command
    broker.stop(root / "state" / "kafka")


@pytest.mark.e2e
def test_the_command_starts_finds_and_ends_it(kindred: Any) -> None:
    with kindred("kafka", "up") as up:
        assert up.stdout is not None
        assert "a broker runs at 127.0.0.1:" in up.stdout.readline()
        assert "runs already" in kindred("kafka", "up", "--detach").communicate()[0]
        assert '"answers": true' in kindred("kafka", "status", "--json").communicate()[0]
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    assert "no broker runs" in kindred("kafka", "status").communicate()[0]
    assert "no broker runs" in kindred("kafka", "down").communicate()[0]
