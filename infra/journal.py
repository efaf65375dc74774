"""The log of jobs and of the server: one line for each thing that happened, for people or as JSON for machines.

A line has a fixed word for what happened and facts beside it: numbers, names of sources, steps and tables. No value of
a row is among them; of an exception the class and the places in the code are told, for its message may quote data.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Final, Literal, TextIO

Form = Literal["human", "json"]
JOBS: Final = logging.getLogger("kindred.jobs")
COMMANDS: Final = logging.getLogger("kindred.commands")


def note(logger: logging.Logger, event: str, level: int = logging.INFO, **facts: object) -> None:
    """Write down what happened, with its facts; those that are None are left out."""
    logger.log(level, event, extra={"facts": {name: fact for name, fact in facts.items() if fact is not None}})


class Human(logging.Formatter):
    """Lines for people: moment, level, logger, what happened, `fact=value` after it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts = _facts(record)
        trace = "".join(f"\n    {place}" for place in facts.pop("places", ()))
        told = "".join(f" {name}={_shown(fact)}" for name, fact in facts.items())
        return f"{_at(record)} {record.levelname} {record.name} {record.getMessage()}{told}{trace}"


class Machine(logging.Formatter):
    """Lines for machines: one JSON object each, with `at`, `level`, `logger`, `event` and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        own = {"at": _at(record), "level": record.levelname.lower(), "logger": record.name}
        return json.dumps({**own, "event": record.getMessage(), **_facts(record)}, ensure_ascii=False, default=str)


def configure(form: Form, stream: TextIO, *names: str, file: Path | None = None) -> None:
    """Send what these loggers are told to a stream in one form, and to a file for machines; without names, all.

    What others say in this process is theirs and may quote a row: a named logger keeps apart from it. The file may be
    moved away at any time, and is begun anew.
    """
    written = logging.StreamHandler(stream)
    written.setFormatter(Machine() if form == "json" else Human())
    handlers: list[logging.Handler] = [written]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = WatchedFileHandler(file, encoding="utf-8")
        kept.setFormatter(Machine())
        handlers.append(kept)
    if not names:
        logging.basicConfig(level=logging.INFO, handlers=handlers)
    for logger in map(logging.getLogger, names):
        logger.setLevel(logging.INFO)
        logger.handlers, logger.propagate = handlers, False


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = dict(getattr(record, "facts", {}))
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        facts |= {"error": type(error).__name__, "places": places(error)}
    return facts


def places(error: BaseException) -> list[str]:
    """Return where in the code an error came about, the innermost last, without what it says."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def _shown(fact: object) -> str:
    if isinstance(fact, float):
        return f"{fact:.3f}"
    return json.dumps(fact, ensure_ascii=False, default=str) if isinstance(fact, str | dict | list) else str(fact)
