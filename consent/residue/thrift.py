"""Thrift's compact protocol, as much as the heads of Parquet's pages need."""

from typing import Any, Final

from consent.residue.source import Unreadable

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_WHOLE: Final = (4, 5, 6)
_DEEPEST: Final = 16


class Compact:
    """A reader over bytes; what it meets is fields by number, lists and bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of the structure that begins here; raise `Unreadable` where there is none."""
        fields: dict[int, Any] = {}
        last = 0
        if depth > _DEEPEST:
            raise Unreadable("a page's head that is nested deeper than any")
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else self._signed()
            fields[last] = self._value(head & 0x0F, depth, inside=False)
        return fields

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise Unreadable("a page's head that ends too early")
        self.at += 1
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise Unreadable("a page's head with a number that does not end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _taken(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self.at:
            raise Unreadable("a page's head that ends too early")
        self.at += count
        return self._data[self.at - count : self.at]

    def _value(self, kind: int, depth: int, *, inside: bool) -> Any:
        if kind in (_TRUE, _FALSE):
            return self._byte() == _TRUE if inside else kind == _TRUE
        if kind in _WHOLE:
            return self._signed()
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _DOUBLE, _BINARY):
            return self._taken({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._unsigned())
        raise Unreadable("a page's head with a kind of field that no page has")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._unsigned()
        if count > len(self._data):
            raise Unreadable("a page's head that ends too early")
        return [self._value(head & 0x0F, depth, inside=True) for _ in range(count)]
