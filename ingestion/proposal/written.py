"""A proposed source as the YAML that an engineer keeps: each line with its reason, and what was left out. Pure."""

import io
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ingestion.proposal.model import Line, NewType, Proposed

_WIDTH: Final = 110
_REASON_AT: Final = 44
_LONGEST_REASON: Final = 160


def source_yaml(proposed: Proposed) -> str:
    """Return the text of `sources/NAME.yaml`."""
    tree = CommentedMap()
    tree["source"] = proposed.source
    tree["connector"] = _flow(proposed.connector)
    _put(tree, "record", proposed.record, proposed.because)
    key = proposed.key.value
    _put(tree, "key", key[0] if len(key) == 1 else _listed(key), proposed.key.because)
    at = "occurred_at" if proposed.record in ("event", "consent") else "observed_at"
    if proposed.at is not None:
        _put(tree, at, proposed.at.value, proposed.at.because)
    for name, told in (("date_order", proposed.date_order), ("region", proposed.region)):
        if told is not None:
            _put(tree, name, *told)
    # in the order in which a reader looks for them; what is empty is not written
    parts = {
        "event": _lines(proposed.event),
        "fields": _lines(proposed.fields),
        "identifiers": _identifiers(proposed.identifiers),
        "properties": _listed(proposed.properties),
        "order": _lines(proposed.order),
        "channel": proposed.channel,
        "consent": _flow(proposed.consent),
        "free_text": _flow(proposed.texts),
        "contract": CommentedMap({column: _flow(rules) for column, rules in proposed.contract.items()}),
    }
    for name, part in parts.items():
        if part:
            tree[name] = part
    if proposed.contract:
        tree.yaml_set_comment_before_after_key("contract", before="what every value that was looked at keeps")
    return "\n".join([*_head(proposed), _dumped(tree).rstrip(), *_tail(proposed), ""])


def _head(proposed: Proposed) -> list[str]:
    return [
        f"# {proposed.source}: proposed from {proposed.rows:,} rows; look through it, it is yours to change.",
        *(f"# {_one_line(note)}" for note in proposed.notes),
    ]


def _tail(proposed: Proposed) -> list[str]:
    lines: list[str] = []
    if proposed.doubts:
        lines += ["", "# Doubtful:", *(line for doubt in proposed.doubts for line in _wrapped(doubt))]
    if proposed.left:
        told = (f"{', '.join(columns)}: {because}" for because, columns in left_out(proposed).items())
        lines += ["", "# Left out:", *(line for text in told for line in _wrapped(text))]
    return lines


def left_out(proposed: Proposed) -> dict[str, list[str]]:
    """Return the columns that are left out, by the reason."""
    found: dict[str, list[str]] = {}
    for left in proposed.left:
        found.setdefault(left.because, []).append(_plain(left.column))
    return found


def _wrapped(text: str) -> list[str]:
    return wrap(_plain(text), 116, initial_indent="# - ", subsequent_indent="#   ", break_on_hyphens=False)


def _lines(lines: Mapping[str, Line]) -> CommentedMap:
    made = CommentedMap()
    for name, line in lines.items():
        _put(made, name, line.value, line.because)
    return made


def _identifiers(held: Mapping[str, Sequence[Line]]) -> CommentedMap:
    made = CommentedMap()
    for kind, lines in held.items():
        value = lines[0].value if len(lines) == 1 else _listed([line.value for line in lines])
        _put(made, kind, value, "; ".join(line.because for line in lines))
    return made


def _put(tree: CommentedMap, key: str, value: Any, because: str) -> None:
    tree[key] = value
    if because:
        tree.yaml_add_eol_comment(_one_line(because), key, column=_REASON_AT)


def _flow(pairs: Mapping[str, Any]) -> CommentedMap:
    made = CommentedMap(pairs)
    made.fa.set_flow_style()
    return made


def _listed(values: Iterable[Any]) -> CommentedSeq:
    made = CommentedSeq(values)
    made.fa.set_flow_style()
    return made


def _one_line(text: str) -> str:
    """Return a text as a comment may hold it."""
    plain = _plain(text)
    return plain if len(plain) <= _LONGEST_REASON else f"{plain[:_LONGEST_REASON]}…"


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else "?" for c in text).split())


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096  # a comment at the end of a folded line would be lost
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(tree: Any) -> str:
    text = io.StringIO()
    _yaml().dump(tree, text)
    return text.getvalue()


def with_types(text: str, types: Iterable[NewType]) -> str:
    """Return `identity.yaml` with more identifier types, its comments and all else as they were."""
    yaml = _yaml()
    tree = yaml.load(text)
    for one in types:
        if one.name not in tree["identifiers"]:
            settings = _flow({k: _listed(v) if isinstance(v, list) else v for k, v in one.settings.items()})
            place = len(tree["identifiers"])
            tree["identifiers"].insert(place, one.name, settings)
            tree["identifiers"].yaml_add_eol_comment(_one_line(one.because), one.name, column=_REASON_AT)
    return _dumped(tree)
