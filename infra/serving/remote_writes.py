"""What changes a generation in Redis or Valkey: pipelines that fill one, a script that changes one at once."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from infra.serving.store import Overtaken, own
from infra.serving.wire import BATCH, BEGUN, GIVEN_UP_SECONDS, SAID, WHOLE, Client, Keys, StoreEmptied, told

# KEYS: values, names, undo. ARGV: how many reads, each as key, whether there was a value, the value; then the same for
# writes. Answers 1 when all is done, 0 when something read has changed since, -1 when the generation is gone.
_CHANGE: Final = """
if redis.call('HEXISTS', KEYS[1], '') == 0 then return -1 end
local at = 2
for _ = 1, tonumber(ARGV[1]) do
  local now = redis.call('HGET', KEYS[1], ARGV[at])
  if ARGV[at + 1] == '1' then
    if now ~= ARGV[at + 2] then return 0 end
  elseif now then return 0 end
  at = at + 3
end
while at <= #ARGV do
  local key, value = ARGV[at], ARGV[at + 2]
  local now = redis.call('HGET', KEYS[1], key)
  if ARGV[at + 1] == '1' then
    if now ~= value then
      redis.call('HSETNX', KEYS[3], key, now and ('=' .. now) or '-')
      redis.call('HSET', KEYS[1], key, value)
      redis.call('ZADD', KEYS[2], 0, key)
    end
  elseif now then
    redis.call('HSETNX', KEYS[3], key, '=' .. now)
    redis.call('HDEL', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
  end
  at = at + 3
end
return 1
"""


# KEYS: values, names. ARGV: the mark of who built it, and what a whole generation says. Answers 0 if any of it is lost.
_FINISH: Final = """
if redis.call('HGET', KEYS[1], '') ~= ARGV[1] or not redis.call('ZSCORE', KEYS[2], '') then return 0 end
redis.call('HSET', KEYS[1], '', ARGV[2])
return 1
"""


class RemoteWriter:
    """What fills a generation, in pipelines; it is whole, and lasts longer than a day, only once it is finished."""

    def __init__(self, client: Client, name: str, keys: Keys) -> None:
        self._client, self._name, self._keys = client, name, keys
        self._puts: dict[bytes, bytes] = {}
        self._deletes: set[bytes] = set()
        # A server that loses what was put, by a start or an eviction, takes what comes after it as if nothing were.
        self._mark = BEGUN + secrets.token_bytes(16)

    def begin(self) -> None:
        """Have the generation marked as begun."""
        values, names, _ = self._keys
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hset(values, WHOLE, self._mark)
        pipeline.zadd(names, {WHOLE: 0})
        pipeline.expire(values, GIVEN_UP_SECONDS)
        pipeline.expire(names, GIVEN_UP_SECONDS)
        pipeline.execute()

    def get(self, key: bytes) -> bytes | None:
        """Return what stands under a key by now, or None."""
        if key in self._puts or key in self._deletes:
            return self._puts.get(key)
        found: bytes | None = self._client.hget(self._keys[0], key)
        return found

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._deletes.discard(key)
        self._puts[own(key)] = value
        self._full()

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._puts.pop(key, None)
        self._deletes.add(own(key))
        self._full()

    def _full(self) -> None:
        if len(self._puts) + len(self._deletes) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        values, names, _ = self._keys
        pipeline = self._client.pipeline(transaction=False)
        if self._deletes:
            pipeline.hdel(values, *self._deletes)
            pipeline.zrem(names, *self._deletes)
        if self._puts:
            pipeline.hset(values, mapping=self._puts)
            pipeline.zadd(names, dict.fromkeys(self._puts, 0))
        pipeline.execute()
        self._puts, self._deletes = {}, set()

    def finish(self) -> None:
        """Have everything on the server, and the generation marked as whole; raise where any of it was lost."""
        self._flush()
        if not self._client.eval(_FINISH, 2, *self._keys[:2], self._mark, SAID):
            raise StoreEmptied(self._name)


class RemoteLive:
    """A writer of a generation that is read meanwhile; several may be at work where each writes what it has read."""

    def __init__(self, client: Client, name: str, keys: Keys, served: Callable[[], str | None]) -> None:
        self.name, self._client, self._keys, self._ask = name, client, keys, served
        self._served = served()
        self._script = client.register_script(_CHANGE)

    @contextmanager
    def change(self) -> Iterator["RemoteChange"]:
        """Change several keys at once; raise `Overtaken` where another writer has changed what this one has read."""
        made = RemoteChange(self._client, self._keys)
        yield made
        with told():
            done = self._script(keys=self._keys, args=made.arguments()) if made.writes else 1
        if done == 0:
            raise Overtaken
        if done < 0:
            raise StoreEmptied(self.name)

    def moved(self) -> bool:
        """Say whether another generation is served by now."""
        served = self._ask()
        if served == self.name:
            self._served = served
        return served != self._served

    def close(self) -> None:
        """Do nothing: the connections are the store's."""


class RemoteChange:
    """A change in the making: kept here until it is whole, with what it was made from."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client, self._values = client, keys[0]
        self._read: dict[bytes, bytes | None] = {}
        self.writes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        if key in self.writes:
            return self.writes[key]
        if key not in self._read:
            with told():
                self._read[key] = self._client.hget(self._values, key)
        return self._read[key]

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.writes[own(key)] = value

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self.writes[own(key)] = None

    def arguments(self) -> list[bytes]:
        """Return what the script is told: what was read, then what is written."""
        told = [str(len(self._read)).encode()]
        for key, value in (*self._read.items(), *self.writes.items()):
            told += [key, b"0" if value is None else b"1", value or b""]
        return told
