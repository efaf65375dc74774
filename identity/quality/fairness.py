"""Which people is a record one of, for counting whether matching serves all alike. Pure.

Groups are for counting only: nothing here weighs in a match. They are told by form, so they are rough, and say
nothing of any one person.
"""

import unicodedata

DIMENSIONS = ("script", "origin", "home", "missing")
"""Script and form of the name, how many live at the address, how much of the record is missing."""

_FORMS = (
    ("gaelic", ("mc", "mac", "o'", "o "), ()),
    ("arabic", ("al-", "el-", "al ", "el ", "abd", "abu", "bin ", "ibn "), ("ullah", "uddin")),
    (
        "slavic",
        (),
        ("ov", "ova", "ev", "eva", "ski", "sky", "ska", "cki", "enko", "vic", "vich", "wicz", "czyk", "chuk"),
    ),
    ("iberian", ("de la ", "del ", "dos ", "da "), ("ez", "eira", "eiro", "inho", "onso", "oza")),
    ("italian", ("di ", "della "), ("elli", "ini", "etti", "ucci", "iano", "ello")),
    ("greek", (), ("poulos", "akis", "idis", "iadis", "opoulou")),
    ("nordic", (), ("sson", "sen", "qvist", "lund", "gaard", "strom", "dottir")),
    ("germanic", ("sch", "von ", "van "), ("mann", "berg", "stein", "bauer", "meier", "meyer", "hoff", "burg")),
    ("east asian", (), ("moto", "mura", "yama", "kawa", "saki", "naka", "hashi")),
    ("south asian", (), ("murthy", "swamy", "walla", "wala", "nathan", "reddy")),
    ("west african", ("oko", "olu", "ade", "oye", "nwa"), ()),
)
_WHOLE = {
    "east asian": "chen chang cheng choi chan cho han hong huang hu jung kang kim le li lin liu luo ma ng ngo nguyen park "
    "pham phan shin song sun tan tran vo vu wang wong wu xu yang yoon yu zhang zhao zheng zhou zhu suzuki sato tanaka",
    "south asian": "singh kaur patel kumar sharma gupta rao nair iyer das shah mehta khan hussain ahmed begum desai joshi",
    "west african": "okafor mensah diallo traore owusu boateng asante eze obi bello",
}
_BY_WORD = {word: form for form, words in _WHOLE.items() for word in words.split()}
_SCRIPTS = {"CJK": "han", "HIRAGANA": "japanese", "KATAKANA": "japanese"}


def script(name: str) -> str:
    """Return the script that a name is written in as its source has it; Latin letters with marks are told apart."""
    letters = [c for c in unicodedata.normalize("NFC", name) if c.isalpha()]
    found = {_script(c) for c in letters}
    if not found:
        return "no name"
    if found == {"latin"}:
        return "latin" if all(c.isascii() for c in letters) else "latin with marks"
    others = sorted(found - {"latin"})
    return others[0] if len(others) == 1 else "several"


def origin(family_name: str) -> str:
    """Return where names of this form are common, by its beginning or end; `other` says nothing."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", family_name.casefold()) if not unicodedata.combining(c))
    text = " ".join(plain.split())
    if not text:
        return "no name"
    if text in _BY_WORD:
        return _BY_WORD[text]
    for form, starts, ends in _FORMS:
        begins = any(text.startswith(start) and len(text) > len(start) + _SHORTEST - 1 for start in starts)
        if begins or any(text.endswith(end) and len(text) > len(end) + 1 for end in ends):
            return form
    return "other"


def home(persons: int | None) -> str:
    """Return the sort of home by how many profiles say its address; None: the record says none."""
    if persons is None:
        return "no address"
    return next(
        (name for most, name in ((1, "one lives there"), (2, "two"), (9, "three to nine")) if persons <= most),
        "ten or more",
    )


def missing(lacking: int | None) -> str:
    """Return how much a record lacks of name, date of birth, address, email and phone."""
    return {0: "nothing", 1: "one of five", 2: "two of five"}.get(lacking or 0, "three or more")


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "OTHER").split(" ")[0].partition("-")[0]
    return _SCRIPTS.get(first, first.lower())


_SHORTEST = 3
