"""One spelling for what people call themselves: folded text, names, nicknames. Pure and total.

Every function answers for every text, applied to its own answer it changes nothing, and what it cannot read
it answers with an empty string: nothing known is better evidence than something wrong. All answers are ASCII,
for DuckDB counts bytes where it measures the distance of two names.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii
from nicknames import NickNamer

from identity.fields.eastern import parts as parts_of_eastern

_WORD_BREAK = re.compile(r"[^a-z0-9]+")
_TITLES = frozenset(
    [
        "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "madam", "rev", "reverend", "fr", "father",
        "hon", "capt", "captain",
        "col", "sgt", "lt", "maj", "gen", "herr", "frau", "monsieur", "madame", "mme", "mlle", "senor", "senora",
        "sra", "srta", "signor",
        "signora", "dhr", "mevr", "mevrouw", "drs", "ing", "dipl", "mag",
    ]
)  # fmt: skip
_SUFFIXES = {
    "jr": "jr", "junior": "jr", "jnr": "jr", "sr": "sr", "senior": "sr", "snr": "sr",
    "ii": "ii", "2nd": "ii", "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv",
}  # fmt: skip
_DEGREES = frozenset({"phd", "md", "esq", "dds", "mba", "cpa", "rn", "msc", "bsc", "dphil", "llm", "obe", "mbe", "cbe"})
_PARTICLES = frozenset(
    [
        "van", "von", "vom", "der", "den", "de", "del", "della", "dello", "degli", "di", "da", "das", "do", "dos",
        "du", "des", "la", "las", "le", "les", "los", "lo",
        "ter", "ten", "te", "zu", "zum", "zur", "al", "el", "bin", "bint", "ibn", "abu", "san", "st", "saint", "mc",
        "mac", "af", "av",
    ]
)  # fmt: skip
_PLACEHOLDERS = frozenset(
    [
        "null", "none", "na", "nan", "unknown", "anonymous", "test", "guest", "customer", "firstname", "lastname",
        "nobody", "xxx", "xx", "n a",
        "tbd", "undefined", "noname", "deleted", "redacted", "dummy", "asdf", "qwerty",
    ]
)  # fmt: skip
_JOINED = frozenset({"mc", "mac"})
_SHORTEST_MIDDLE = 2


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name in parts; every part folded, an unknown one empty."""

    given: str = ""
    middle: str = ""
    family: str = ""
    suffix: str = ""


def folded(text: str) -> str:
    """Return lower-case ASCII words with one blank between: any script, any accents, any punctuation."""
    latin = anyascii(unicodedata.normalize("NFKC", text)).casefold().replace("'", "").replace("`", "")
    return " ".join(word for word in _WORD_BREAK.split(latin) if word)


def name(given: str = "", family: str = "", full: str = "", suffix: str = "") -> Name:
    """Return a name in parts from whatever a source has: separate fields, a full name, or both.

    Jr, Sr and II are a part of their own, for they are what tells a father from his son.
    """
    parts = _split_full(full) if full and not (given and family) else Name()
    given_words, given_suffix = _without_suffix(_meaningful(given))
    family_words, family_suffix = _without_suffix(_joined(_meaningful(family)))
    marks = [_SUFFIXES.get(word, "") for word in folded(suffix).split()]
    first, middle = _first_and_middle(given_words)
    return Name(
        given=first or parts.given,
        middle=middle or (parts.middle if not first else ""),
        family=" ".join(family_words) or parts.family,
        suffix=next((mark for mark in (*marks, family_suffix, given_suffix, parts.suffix) if mark), ""),
    )


def _meaningful(text: str) -> list[str]:
    words = folded(text).split()
    while len(words) > 1 and words[0] in _TITLES:
        words.pop(0)
    # Md Rahman is no doctor: what stands first is a name.
    while len(words) > 1 and words[-1] in _DEGREES:
        words.pop()
    return [] if _says_nothing(words) else words


def _says_nothing(words: list[str]) -> bool:
    """Say whether words are a placeholder; N/A is one, while the initials N. and A. are not."""
    return " ".join(words) in _PLACEHOLDERS or all(word in _PLACEHOLDERS for word in words)


def _joined(words: list[str]) -> list[str]:
    """Return the words with Mc and Mac at one with what they belong to: `Mc Donald` is McDonald."""
    out: list[str] = []
    for word in words:
        if out and out[-1] in _JOINED:
            out[-1] += word
        else:
            out.append(word)
    return out


def _without_suffix(words: list[str]) -> tuple[list[str], str]:
    if len(words) > 1 and words[-1] in _SUFFIXES:
        return words[:-1], _SUFFIXES[words[-1]]
    return words, ""


def _first_and_middle(words: list[str]) -> tuple[str, str]:
    return (words[0], " ".join(words[1:])) if words else ("", "")


def _split_full(full: str) -> Name:
    """Return the parts of `Given Middle Family Jr`, of `Family, Given Middle`, or of a name that begins with the family."""
    eastern = parts_of_eastern(unicodedata.normalize("NFKC", full))
    if eastern is not None:
        family, given = eastern
        return _told(Name("".join(folded(given).split()), "", folded(family)))
    before, comma, after = full.partition(",")
    if comma:
        tail, suffix = _without_suffix(["", *_meaningful(after)])
        tail = [word for word in tail if word and word not in _DEGREES]
        if tail:
            family_words, family_suffix = _without_suffix(_joined(_meaningful(before)))
            first, middle = _first_and_middle(tail)
            return _told(Name(first, middle, " ".join(family_words), suffix or family_suffix))
        whole = _split_full(before)
        return Name(whole.given, whole.middle, whole.family, suffix or whole.suffix)
    words, suffix = _without_suffix(_meaningful(full))
    if len(words) < _SHORTEST_MIDDLE:
        return Name(given=words[0] if words else "", suffix=suffix)
    start = len(words) - 1
    while start > 1 and words[start - 1] in _PARTICLES:
        start -= 1
    return _told(Name(words[0], " ".join(words[1:start]), " ".join(_joined(words[start:])), suffix))


def _told(name_: Name) -> Name:
    """Return a name without the parts that say of themselves that nothing is known."""
    named = not _says_nothing([name_.given, *name_.middle.split()])
    family = "" if _says_nothing(name_.family.split()) else name_.family
    return Name(name_.given if named else "", name_.middle if named else "", family, name_.suffix)


@lru_cache(maxsize=1)
def _nicknamer() -> NickNamer:
    return NickNamer()


@lru_cache(maxsize=65_536)
def given_forms(given: str) -> tuple[str, ...]:
    """Return the folded name with every formal name that it is short for: `bob` → `bob`, `robert`, ….

    Two given names agree as nicknames where one's own spelling is among the other's forms, or they share a
    formal name. It is a relation, not an equivalence: closing it would join unrelated names.
    """
    if not given:
        return ()
    return tuple(sorted({given, *(folded(form) for form in _nicknamer().canonicals_of(given))} - {""}))


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    namer = _nicknamer()
    return frozenset(folded(name) for name in (*namer.nickname_lookup, *namer.canonical_lookup))


def is_given_name(given: str) -> bool:
    """Say whether a folded word is a given name that the list of names has, and so hardly a slip of the pen."""
    return given in _given_names()
