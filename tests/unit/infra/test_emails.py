"""Which addresses we take, which mailbox is behind them, and whose they hardly are."""

import json
from pathlib import Path

import pytest

from infra import emails

# Valid to isemail or only unknown to DNS, and yet on the other side of our line: no customer has a mailbox at a
# top-level domain, and no such domain has one letter.
BEYOND = {"test@io", "test@iana.a"}


def test_every_vector_of_isemail_lies_on_its_side_of_our_line(test_data: Path) -> None:
    pictures = {0x2400 + code: chr(code) for code in range(0x20)}
    lines = (test_data / "reference/isemail/isemail_vectors.ndjson").read_text(encoding="utf-8").splitlines()
    vectors = [json.loads(line) for line in lines]
    addresses = {v["address"].translate(pictures): v["category"] for v in vectors}
    plain = {a for a, category in addresses.items() if category in {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}}
    plain -= BEYOND | {a for a in plain if a.startswith("a@a.b.c.")}
    # Blanks and line breaks around a value are a file's, not the address's.
    wrong = [a for a in addresses if (emails.strict(a) is not None) != (a.strip() in plain)]
    assert wrong == []
    assert (len(vectors), len(plain)) == (164, 19)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (" Ann.Archer@Example.ORG ", "ann.archer@example.org"),
        ("Ann Archer <ann@example.org>", "ann@example.org"),
        ("mailto:ann@example.org", "ann@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ("ann\uff20example\uff0eorg", "ann@example.org"),
        ("ann\u200b@example.org", "ann@example.org"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("ann@xn--a.example", None),
        ("ann@i❤.example", None),
        ("ann@exa_mple.org", None),
        ("ann@example.org, bob@example.org", None),
        ("ann at example.org", None),
        ("a\u00a0b@example.org", None),
    ],
)
def test_an_address_has_one_spelling_or_none(typed: str, address: str | None) -> None:
    assert emails.strict(typed) == address


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("a.n.n+shop@googlemail.com", "ann@gmail.com"),
        ("ann.other+news@outlook.de", "ann.other@outlook.de"),
        ("ann+x@me.com", "ann@icloud.com"),
        ("ann+x@fastmail.com", "ann@fastmail.com"),
        ("ann.o-ther+x@proton.me", "annother@proton.me"),
        ("base-shop@yahoo.com", "base-@yahoo.com"),
        ("base-news@yahoo.com", "base-@yahoo.com"),
        ("base@yahoo.com", "base@yahoo.com"),
        ("ann+x@yandex.com", "ann@yandex.ru"),
        ("ann.other+news@example.org", "ann.other+news@example.org"),
        ("+x@gmail.com", "+x@gmail.com"),
    ],
)
def test_a_mailbox_is_behind_all_its_addresses(address: str, mailbox: str) -> None:
    assert emails.canonical(address) == mailbox


def test_an_address_of_a_role_or_a_throw_away_service_is_flagged() -> None:
    assert emails.flags("ann@example.org") == frozenset()
    assert emails.flags("info+shop@example.org") == {"role"}
    assert emails.flags("kontakt@example.org") == {"role"}
    assert emails.flags("info@mailinator.com") == {"role", "disposable"}
    assert emails.flags("ann@deep.mailinator.com") == {"disposable"}
    assert emails.flags("information.desk@example.org") == frozenset()


def test_no_provider_of_people_is_in_the_list_of_throw_away_domains() -> None:
    assert not [d for one in emails.PROVIDERS for d in one.domains if emails.flags(f"ann@{d}")]
    assert not [
        d for d in ("example.org", "example.com", "example.net", "gmx.de", "aol.com") if emails.flags(f"ann@{d}")
    ]
