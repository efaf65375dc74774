"""Three Kafka brokers on this machine, each broker and controller: what one broker cannot show."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from infra.kafka import broker
from infra.settings import KafkaSettings

NODES = (1, 2, 3)
_PROPERTIES = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
replica.lag.time.max.ms=3000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
"""


class Cluster:
    def __init__(self, folder: Path) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._folders = {node: folder / f"node{node}" for node in NODES}
        sockets = [socket.socket() for _ in range(2 * len(NODES))]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        self._ports, controllers = dict(zip(NODES, ports, strict=False)), dict(zip(NODES, ports[3:], strict=True))
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
        for node, own in self._folders.items():
            own.mkdir(parents=True)
            (own / "log4j2.properties").write_text(broker._LOGGING, encoding="utf-8")
            text = _PROPERTIES.format(
                node=node, voters=voters, port=self._ports[node], controller=controllers[node], data=own / "data"
            )
            (own / "server.properties").write_text(text, encoding="utf-8")
            made = [
                "kafka.tools.StorageTool",
                "format",
                "-t",
                "kindred-test-cluster-0",
                "-c",
                str(own / "server.properties"),
            ]
            subprocess.run([*broker._jvm(own, "64m"), *made], check=True, capture_output=True)
        self.start(*NODES)

    def settings(self, prefix: str, **changed: object) -> KafkaSettings:
        bootstrap = ",".join(f"127.0.0.1:{port}" for port in self._ports.values())
        values = {"type": "kafka", "bootstrap": bootstrap, "topic_prefix": f"{prefix}-", "replication": 3, **changed}
        return KafkaSettings.model_validate(values)

    def start(self, *nodes: int) -> None:
        for node in nodes:
            own = self._folders[node]
            with (own / "broker.log").open("ab") as log:
                command = [*broker._jvm(own, "384m"), "kafka.Kafka", str(own / "server.properties")]
                self._processes[node] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 90
        while not all(broker.answers(self._ports[node]) for node in nodes):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self, *nodes: int) -> None:
        for node in nodes:
            os.kill(self._processes[node].pid, signal.SIGKILL)
            self._processes[node].wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
