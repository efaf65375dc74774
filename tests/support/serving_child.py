"""Uses a serving store until it is killed: `python serving_child.py WHAT FOLDER`."""

import os
import sys
import time
from pathlib import Path

from infra.errors import KindredError
from infra.serving.embedded import Generations

KEYS = [b"v|%04d" % number for number in range(200)]


def change(root: Path) -> None:
    """Change all keys to one number after the other, each time in one transaction."""
    live = Generations(root).live()
    print("ready", flush=True)
    number = int((Generations(root).current().get(KEYS[0]) or b"0").split(b"|")[0])
    while True:
        number += 1
        with live.change() as made:
            for key in KEYS:
                made.put(key, b"%d|" % number + b"x" * 500)


def filled(key: bytes) -> bytes:
    """Return a value that belongs to its key alone."""
    return key[2:] + b"|" + b"x" * 700


def hold(root: Path) -> None:
    """Read, and hold on to the moment."""
    snapshot = Generations(root).current().snapshot()
    assert snapshot.get(KEYS[0])
    print("ready", flush=True)
    time.sleep(600)


def read(root: Path) -> None:
    """Read every key and say what was found; what cannot be read is said to be so."""
    for key in KEYS:
        try:
            value = Generations(root).current().get(key)
        except KindredError as error:
            print("refused", type(error).__name__)
        else:
            print(key.decode(), "-" if value is None else key[2:].decode() if value == filled(key) else "altered")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    {"change": change, "hold": hold, "read": read}[sys.argv[1]](Path(sys.argv[2]))
