"""A Kafka broker as one process of this machine: KRaft in one JVM, data kept, loopback only.

For tests, for a start, and for one machine that wants Kafka's protocol. The JVM inherits a lock (`flock`) on its
folder, so whether it runs is known without trusting a process id that may have been used again.
"""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from infra.errors import Held, Unavailable
from infra.jars import broker_jars, java

HOST = "127.0.0.1"
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 60.0
_POLL = 0.05
_HEAP = "512m"

# The brokers that this process started: a child that its parent forgets stays in the process table when it has ended.
_CHILDREN: list[subprocess.Popen[bytes]] = []

# One node is broker and controller, and nothing is copied to a second: the topics of Kafka's own have one replica.
# The cleaner's buffer would take 128 MB of the heap for topics that are never compacted here.
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
"""
_LOGGING = """status=error
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1} %m%n
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A broker that runs: its process, and where it listens."""

    pid: int
    port: int

    @property
    def bootstrap(self) -> str:
        """The address that a client begins with."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Started:
    """A broker that answers, and whether it ran before somebody asked for it."""

    broker: Running
    ran_already: bool


def start(folder: Path, port: int | None = None) -> Started:
    """Start a broker over the folder's data, or find the one that runs; return once it answers.

    Without a port it takes the one of last time, so that clients find it again; the first time any that is free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # the JVM writes events as the umask has it
    _forget_ended()
    lock = os.open(folder / "broker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(lock):
            return Started(_await_other(folder, port), ran_already=True)
        chosen = _chosen(folder, port)
        _configure(folder, chosen)
        _format(folder)
        process = _launch(folder, lock)
    finally:
        os.close(lock)  # the JVM keeps its own
    broker = Running(process.pid, chosen)
    _CHILDREN.append(process)
    _note(folder, broker)
    _await_answer(folder, broker, process)
    return Started(broker, ran_already=False)


def status(folder: Path) -> Running | None:
    """Return the broker that holds the folder, or None."""
    if not _is_held(folder):
        return None
    return _noted(folder)


def stop(folder: Path) -> bool:
    """End the folder's broker in an orderly way and wait for it; return whether one ran."""
    broker = status(folder)
    if broker is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(broker.pid, signal.SIGTERM)
    deadline = time.monotonic() + _ENDS_WITHIN
    while _is_held(folder):
        if time.monotonic() >= deadline:
            raise Held(
                f"the broker (process {broker.pid}) has not ended within {_ENDS_WITHIN:.0f} s; see kafka/broker.log"
            )
        time.sleep(_POLL)
    _forget_ended()
    return True


def _forget_ended() -> None:
    for child in list(_CHILDREN):
        with contextlib.suppress(subprocess.TimeoutExpired):  # it lives
            child.wait(0.1)
            _CHILDREN.remove(child)


def answers(port: int, within: float = 1.0) -> bool:
    """Say whether a broker answers a request on the port; one that is still starting accepts, and says nothing."""
    try:
        with socket.create_connection((HOST, port), timeout=within) as asked:
            asked.settimeout(within)
            asked.sendall(struct.pack(">ihhih", 10, 18, 0, 1, -1))  # ApiVersions, version 0, of nobody
            return len(asked.recv(8)) > 0
    except OSError:
        return False


def _await_other(folder: Path, port: int | None) -> Running:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline:
        broker = status(folder)
        if broker is not None and port is not None and broker.port != port:
            raise Held(f"a broker runs on port {broker.port} already; end it first with `kindred kafka down`")
        if broker is not None and answers(broker.port):
            return broker
        time.sleep(_POLL)
    raise Held("another process holds the broker's folder and no broker answers; see kafka/broker.log")


def _await_answer(folder: Path, broker: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while not answers(broker.port):
        if process.poll() is not None:
            raise Unavailable(f"the broker ended while it started: {_last_line(folder)}; see kafka/broker.log")
        if time.monotonic() >= deadline:
            process.terminate()
            process.wait()
            raise Unavailable(f"the broker did not answer within {_STARTS_WITHIN:.0f} s; see kafka/broker.log")
        time.sleep(_POLL)


def _last_line(folder: Path) -> str:
    told = (folder / "broker.log").read_text(encoding="utf-8", errors="replace").splitlines()
    named = [line for line in told[-200:] if "Exception" in line or " ERROR " in line or " FATAL " in line]
    return (named or told or ["it said nothing"])[-1][:300]


def _chosen(folder: Path, port: int | None) -> int:
    if port:
        if not _is_free(port):
            raise Held(f"port {port} is taken by another process; name another one, or 0 for any that is free")
        return port
    last = _noted(folder) if port is None else None
    return last.port if last is not None and _is_free(last.port) else _free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _configure(folder: Path, port: int) -> None:
    data = folder.resolve() / "data"
    while (controller := _free_port()) == port:
        continue
    text = _PROPERTIES.format(host=HOST, port=port, controller=controller, data=data)
    (folder / "server.properties").write_text(text, encoding="utf-8")
    (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")


def _format(folder: Path) -> None:
    """Make the data folder, once: formatted beside and renamed, so that a kill leaves none or a whole one."""
    if (folder / "data").is_dir():
        return
    draft = folder / "data.draft"
    shutil.rmtree(draft, ignore_errors=True)
    properties = (folder / "server.properties").read_text(encoding="utf-8")
    own = folder / "format.properties"
    own.write_text(
        properties.replace(f"log.dirs={folder.resolve() / 'data'}", f"log.dirs={draft.resolve()}"), encoding="utf-8"
    )
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "k")
    command = [*_jvm(folder, "64m"), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(own)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - java
    own.unlink()
    if told.returncode != 0:
        last = (told.stderr or told.stdout).strip().splitlines()[-1:]
        raise Unavailable(
            f"the broker's data folder cannot be made: {' '.join(last)[:300]}; is there room on the disk?"
        )
    draft.rename(folder / "data")


def _launch(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    log = os.open(folder / "broker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - java
            [*_jvm(folder, _HEAP), "kafka.Kafka", str(folder / "server.properties")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            cwd=folder,
        )
    finally:
        os.close(log)


def _jvm(folder: Path, heap: str) -> list[str]:
    logging = f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').resolve()}"
    options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true", logging]
    return [java(), *options, "-cp", f"{broker_jars()}/*"]


def _note(folder: Path, broker: Running) -> None:
    draft = folder / "broker.json.draft"
    draft.write_text(json.dumps({"pid": broker.pid, "port": broker.port}), encoding="utf-8")
    draft.replace(folder / "broker.json")


def _noted(folder: Path) -> Running | None:
    try:
        facts = json.loads((folder / "broker.json").read_text(encoding="utf-8"))
        return Running(int(facts["pid"]), int(facts["port"]))
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _is_held(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "broker.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
