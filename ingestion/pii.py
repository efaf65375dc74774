"""Free text of rows on their way in: redacted or labelled before anything of it is stored."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from consent.discovery.text import redacted
from ingestion.watch import Watch

Mode = Literal["redact", "label"]


@dataclass(frozen=True, slots=True)
class Screen:
    """What becomes of a source's free text: its columns with their mode, in the order of `t0`, `t1`..."""

    columns: tuple[tuple[str, Mode], ...]
    region: str
    watch: Watch | None = None

    def screened(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches with texts and rejected rows redacted or labelled; `f0`, `f1`... hold the kinds found."""
        for batch in batches:
            yield self._batch(batch)

    def _batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        made: dict[str, Sequence[str | None] | pa.Array] = {}
        for index, (_, mode) in enumerate(self.columns):
            texts = batch.column(f"t{index}").to_pylist()
            results = [(None, ()) if text is None else redacted(text, self.region) for text in texts]
            made[f"t{index}"] = [new for new, _ in results] if mode == "redact" else texts
            made[f"f{index}"] = [",".join(kinds) or None for _, kinds in results]
        payloads = batch.column("payload").to_pylist()
        if self.watch is not None:
            payloads, watched = self.watch.applied(batch, payloads)
            made |= watched
        made["payload"] = [self._payload(value) for value in payloads]
        names = [*batch.schema.names, *(name for name in made if name not in batch.schema.names)]
        arrays = [_array(made[n]) if n in made else batch.column(n) for n in names]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _payload(self, payload: str | None) -> str | None:
        """Return a rejected row with its free text redacted; a row that could not be read is redacted whole."""
        if payload is None:
            return None
        try:
            tree = json.loads(payload)
        except (ValueError, RecursionError):  # a number of thousands of digits, which the reader takes as text
            tree = {"line": payload}
        if set(tree) == {"line"} and isinstance(tree["line"], str):
            return json.dumps({"line": redacted(tree["line"], self.region)[0]}, ensure_ascii=False)
        for column, mode in self.columns:
            if mode == "redact":
                for path in {(column,), tuple(column.split("."))}:  # a column of a table, a path into an object
                    self._redact_at(tree, path)
        return json.dumps(tree, ensure_ascii=False)

    def _redact_at(self, tree: Any, path: tuple[str, ...]) -> None:
        for step in path[:-1]:
            tree = tree.get(step) if isinstance(tree, Mapping) else None
        found = tree.get(path[-1]) if isinstance(tree, dict) else None
        if found is not None:
            text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            clean = redacted(text, self.region)[0]
            tree[path[-1]] = found if clean == text else clean


def _array(values: Sequence[str | None] | pa.Array) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, pa.string())
