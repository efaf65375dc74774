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


def hold(root: Path) -> None:
    """Read, and hold on to the moment."""
    snapshot = Generations(root).current().snapshot()
    assert snapshot.get(KEYS[0])
    print("ready", flush=True)
    time.sleep(600)


def read(root: Path) -> None:
    """Read every key and say what was found; what cannot be read is said to be so."""
    try:
        reader = Generations(root).current()
        for key in KEYS:
            value = reader.get(key)
            print(key.decode(), "-" if value is None else value.split(b"|")[0].decode("latin-1"))
    except KindredError as error:
        print("refused", type(error).__name__)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    {"change": change, "hold": hold, "read": read}[sys.argv[1]](Path(sys.argv[2]))
