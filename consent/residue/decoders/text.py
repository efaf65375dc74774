"""Text of any kind: NDJSON, CSV, logs, YAML, Delta's commits and checksum files; views open its escapes."""

import codecs
from collections.abc import Iterator, Mapping
from typing import Final

from consent.residue.source import Content, Decoder, Source

_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b\b"))
_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE)


def is_text(head: bytes) -> bool:
    """Say whether bytes are text: no sign in them that texts do not have, or a mark of UTF-16 before them."""
    return head.startswith(_MARKS) or len(head.translate(None, _CONTROL)) == len(head)


def _recognises(source: Source) -> bool:
    return is_text(source.head)


def _contents(source: Source) -> Iterator[Content]:
    return source.pieces("text")


def _canaries(value: str) -> Mapping[str, bytes]:
    escaped = "".join(f"\\\\u{ord(character):04x}" for character in value)
    quoted = "".join(f"%{ord(character):02x}" for character in value)
    statistics = f'"{{\\"minValues\\": {{\\"v\\": \\"{escaped}\\"}}}}"'
    return {
        "00000000000000000007.json": f'{{"add": {{"stats": {statistics}}}}}'.encode(),
        "access.log": f"GET /v1/profiles?by={quoted} 404\n".encode(),
    }


TEXT: Final = Decoder("text", _recognises, _contents, _canaries, plain=True)
