"""Labels sharpen the model, and a file of them that cannot be meant is told with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from identity.config import IdentityConfig
from identity.errors import BadLabels
from identity.modelling import labelled, training
from infra.errors import Missing

Opened = Callable[..., Any]
HEAD = "source_a,key_a,source_b,key_b,same\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def pair(n: int, told: Any, other: str, birth_date: str = "1980-02-03") -> list[Any]:
    home = {"family_name": f"Carver{n}", "birth_date": birth_date, "street": f"{n} Elm St", "postcode": "43017"}
    return [
        told(f"a{n:03d}", {**home, "given_name": "Robert"}),
        told(f"b{n:03d}", {**home, "given_name": other}),
    ]


def figures(model: Any, name: str) -> dict[str, tuple[float, float | None]]:
    comparison = next(c for c in model.comparisons if c.name == name)
    return {level.label: (level.m, level.household) for level in comparison.levels}


def test_pairs_that_somebody_judged_move_m_towards_what_they_show(
    opened: Opened, told: Any, identity_config: IdentityConfig
) -> None:
    connection = opened([r for n in range(100) for r in pair(n, told, "Bob")])
    before = training.train(connection, identity_config)
    labels = [labelled.Label(("s", f"a{n:03d}"), ("s", f"b{n:03d}"), same=True) for n in range(100)]
    assert labelled.load(connection, labels) == labelled.Labels(100, 0)
    after = training.train(connection, identity_config)
    was, now = figures(before, "given_name"), figures(after, "given_name")
    assert now["nickname"][0] == pytest.approx((100 + 100 * was["nickname"][0]) / 200, rel=0.01)
    assert now["different"][0] < was["different"][0]
    assert now["nickname"][1] == was["nickname"][1]
    assert sum(m for m, _ in now.values()) == pytest.approx(1, abs=1e-4)
    assert after.version != before.version
    connection.close()


def test_two_at_one_address_teach_how_relatives_agree(
    opened: Opened, told: Any, identity_config: IdentityConfig
) -> None:
    connection = opened([r for n in range(50) for r in pair(n, told, "Julia")])
    before = training.train(connection, identity_config)
    labelled.load(connection, [labelled.Label(("s", f"a{n:03d}"), ("s", f"b{n:03d}"), same=False) for n in range(50)])
    after = training.train(connection, identity_config)
    was, now = figures(before, "birth_date"), figures(after, "birth_date")
    assert (now["same"][1] or 0) > (was["same"][1] or 0)
    assert now["same"][0] == was["same"][0]
    connection.close()


def test_labels_of_records_that_are_not_there_teach_nothing(
    opened: Opened, told: Any, identity_config: IdentityConfig
) -> None:
    connection = opened([*pair(1, told, "Bob"), told("bare", {}, {"loyalty": "28123"})])
    before = training.train(connection, identity_config)
    gone = labelled.Label(("s", "a001"), ("s", "gone"), same=True)
    itself = labelled.Label(("s", "a001"), ("s", "a001"), same=True)
    bare = labelled.Label(("s", "a001"), ("s", "bare"), same=True)
    assert labelled.load(connection, [gone, itself, bare]) == labelled.Labels(0, 3)
    assert training.train(connection, identity_config) == before
    connection.close()


def test_a_file_is_read_with_each_pair_once(file: Callable[[str], Path]) -> None:
    text = HEAD + "crm,1,shop,2,true\nshop,2,crm,1,YES\ncrm,1,shop,3,no\n"
    assert labelled.read(file(text)) == (
        labelled.Label(("crm", "1"), ("shop", "2"), same=True),
        labelled.Label(("crm", "1"), ("shop", "3"), same=False),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source_a,key_a\n", "labels.csv:1: no column source_b, key_b, same"),
        (HEAD + "crm,1,shop,2,maybe so\n", "labels.csv:2: `same` is text of 8 characters; write true or false"),
        (HEAD + "crm,1,shop,2,1\ncrm,9,shop,2,1\nshop,2,crm,1,0\n", "labels.csv:4: line 2 says the opposite"),
        (HEAD + "crm,1\n", "labels.csv:2: `same` is empty"),
    ],
)
def test_a_file_that_cannot_be_meant_is_told_with_its_line(file: Callable[[str], Path], text: str, says: str) -> None:
    with pytest.raises(BadLabels) as caught:
        labelled.read(file(text))
    assert says in str(caught.value)
    assert "maybe" not in str(caught.value)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"there is no file labels\.csv"):
        labelled.read(tmp_path / "labels.csv")
