"""Where the online path keeps what it knows, below a workspace's state; whoever only looks there loads nothing more."""

from typing import Final

FOLDER: Final = "online"
