"""Answers with their ETag, the least used dropped first; each is asked for again before it is used."""

import hashlib
import json
import threading
from collections import OrderedDict
from typing import Any

from kindred_client.wire import Call

Held = tuple[str, Any]


class EtagCache:
    """At most so many answers. Nothing is served from it unless the server just said that it still holds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._held)

    def get(self, key: bytes) -> Held | None:
        """Return ETag and answer, or None."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: bytes, etag: str, answer: Any) -> None:
        """Keep an answer; the one that was not used for longest makes room."""
        with self._lock:
            self._held[key] = (etag, answer)
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Forget an answer: what may no longer be seen is not kept."""
        with self._lock:
            self._held.pop(key, None)


def cache_key(call: Call[Any]) -> bytes:
    """Return what tells one question from another; a digest, so that no key of the cache holds an identifier."""
    asked = json.dumps([call.method, call.path, call.query, call.body], sort_keys=True)
    return hashlib.sha256(asked.encode()).digest()
