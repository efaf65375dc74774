"""Jars from Maven, named once: those that Spark resolves for its session, and those of a Kafka broker.

Ivy comes with PySpark, so nothing but Python and a JDK is needed; both sets lie in the one cache of Spark's Ivy.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from infra.errors import Unavailable

DELTA = "io.delta:delta-spark_4.2_2.13:4.4.0"
KAFKA_CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"
SESSION = (DELTA, KAFKA_CONNECTOR)
# What the connector asks for and PySpark has: 60 MB that would be fetched, copied and never loaded.
NOT_FOR_THE_SESSION = ("org.apache.hadoop:hadoop-client-runtime", "org.apache.hadoop:hadoop-client-api")

# 4.x needs no ZooKeeper and takes clients from 2.1 on: kafka-python's, and the 3.9 of the connector.
BROKER = ("org.apache.kafka:kafka_2.13:4.4.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5")

# An Ivy file of our own: without it Spark asks the local Maven cache first, where a cached pom without its
# jar ends the resolution.
IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""
_MODULE = """<ivy-module version="2.0">
  <info organisation="kindred" module="{name}"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>{dependencies}</dependencies>
</ivy-module>
"""
_LONG_ENOUGH = 600


def java() -> str:
    """Return the JDK's `java`; raise `Unavailable` with the line that installs one."""
    found = shutil.which("java")
    if found is None:
        raise Unavailable("no java on the PATH; install a JDK 17, for example: apt-get install openjdk-17-jdk-headless")
    return found


def cache() -> Path:
    """Return the folder of the user's cache that Spark's Ivy keeps its jars in."""
    return Path.home() / ".ivy2.5.2"


def session_jars() -> Path:
    """Return the folder with the jars that a session loads, each under the name that Spark's copies of it have."""
    return cache() / "jars"


def broker_jars() -> Path:
    """Return the folder with the jars of a Kafka broker; they are fetched where they are not there yet."""
    return fetched("kafka", BROKER, cache())


def fetched(name: str, coordinates: tuple[str, ...], home: Path) -> Path:
    """Return a folder with some jars and all that they need. It is there whole or not at all, however often asked."""
    digest = hashlib.sha256("|".join(coordinates).encode()).hexdigest()[:8]
    folder = home / "kindred" / f"{name}-{digest}"
    if folder.is_dir():
        return folder
    with _alone(home):
        if not folder.is_dir():
            _retrieve(name, coordinates, home, folder)
    return folder


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold Ivy's cache alone: two that fill it at once find each other's halves."""
    (home / "kindred").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / "kindred" / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _retrieve(name: str, coordinates: tuple[str, ...], home: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".draft-") as draft:
        work = Path(draft)
        (work / "settings.xml").write_text(IVY_SETTINGS, encoding="utf-8")
        (work / "ivy.xml").write_text(_module(name, coordinates), encoding="utf-8")
        command = [
            java(),
            "-cp",
            f"{_pyspark()}/jars/*",
            "org.apache.ivy.Main",
            "-settings",
            str(work / "settings.xml"),
        ]
        command += ["-cache", str(home / "cache"), "-ivy", str(work / "ivy.xml"), "-confs", "default"]
        # Some jars of Scala's world call themselves bundles; without the word they are left out in silence.
        command += ["-retrieve", f"{work}/jars/[artifact]-[revision].[ext]", "-types", "jar", "bundle"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=_LONG_ENOUGH, check=False)  # noqa: S603 - java
        except subprocess.TimeoutExpired:
            raise Unavailable(f"the jars of {name} did not arrive within {_LONG_ENOUGH} s; try again") from None
        if told.returncode != 0 or not (work / "jars").is_dir():
            missing = [
                line.strip(" :\t") for line in told.stdout.splitlines() if "not found" in line or "FAILED" in line
            ]
            why = "; ".join(missing[:3]) or "Ivy says nothing of use"
            raise Unavailable(f"the jars of {name} cannot be resolved: {why}; Maven Central must be reached once")
        (work / "jars").rename(folder)


def _module(name: str, coordinates: tuple[str, ...]) -> str:
    lines = []
    for coordinate in coordinates:
        organisation, artifact, revision = coordinate.split(":")
        lines.append(f'<dependency org="{organisation}" name="{artifact}" rev="{revision}" conf="default->default"/>')
    return _MODULE.format(name=name, dependencies="".join(lines))


def _pyspark() -> Path:
    """Return PySpark's folder without importing it: who runs a broker needs no Spark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise Unavailable("PySpark is not installed, and it brings Ivy; install Kindred anew")
    return Path(spec.origin).parent
