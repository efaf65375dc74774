"""Regular expressions that mean the same to Python and to Java: a declared pattern is rewritten or refused."""

import re

_ESCAPES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\r\\f\\x0b"}
_NEGATED = {"D": "d", "W": "w", "S": "s"}
_CONTROLS = frozenset("tnrf")
_REPEAT = re.compile(r"[0-9]{1,4}(?:,[0-9]{0,4})?\}")


def portable(pattern: str) -> str:
    r"""Return the pattern for a whole value as both engines read it; raise ValueError where they would disagree.

    `\d \w \s` become ASCII classes (Java's are ASCII, Python's are not), `.` is anything but a line feed (Java leaves
    out more), groups do not capture, and anchors are dropped at the ends, where the whole value is meant anyway.
    """
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        pattern = pattern[:-1]
    return _Rewriter(pattern.removeprefix("^")).rewritten()


class _Rewriter:
    def __init__(self, pattern: str) -> None:
        self._pattern, self._at = pattern, 0

    def rewritten(self) -> str:
        out = []
        while self._at < len(self._pattern):
            out.append(self._piece(self._next()))
        text = "".join(out)
        _must_compile(text)
        return text

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise ValueError("the pattern ends in the middle of something; mend it")
        self._at += 1
        return self._pattern[self._at - 1]

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _piece(self, char: str) -> str:
        if char == "\\":
            return self._escape(inside=False)
        if char == "[":
            return self._set()
        if char == "(":
            return self._group()
        if char in "*+?}" and self._peek() == "+":
            raise ValueError("possessive repeats (*+, ++, ?+) are not portable; leave the second sign out")
        if char == "{" and not _REPEAT.match(self._pattern, self._at):
            raise ValueError("write a repeat as {2}, {2,} or {2,4}; a brace that is meant as itself needs a backslash")
        if char in "^$":
            raise ValueError("^ and $ may stand only at the ends of a pattern, which is for the whole value")
        return "[^\\n]" if char == "." else char

    def _group(self) -> str:
        if self._pattern[self._at : self._at + 2] == "?:":
            self._at += 2
        elif self._peek() == "?":
            raise ValueError("groups that begin with (? other than (?: are not portable; write it without")
        return "(?:"

    def _escape(self, *, inside: bool) -> str:
        char = self._next()
        if char in _ESCAPES:
            return _ESCAPES[char] if inside else f"[{_ESCAPES[char]}]"
        if char in _NEGATED and not inside:
            return f"[^{_ESCAPES[_NEGATED[char]]}]"
        if char in _CONTROLS or not char.isalnum():
            return f"\\{char}"
        raise ValueError(f"\\{char} is not portable; use \\d, \\w, \\s, a class such as [A-Z], or the character itself")

    def _set(self) -> str:
        out = ["["]
        if self._peek() == "^":
            out.append(self._next())
        first = True
        while (char := self._next()) != "]" or first:
            first = False
            if char == "\\":
                out.append(self._escape(inside=True))
            elif char in "[]&~|^":
                out.append(f"\\{char}")  # Java reads [ and && inside a class as operators
            else:
                out.append(char)
        return "".join([*out, "]"])


def _must_compile(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error.msg}") from None
