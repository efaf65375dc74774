"""Personal data in free text: found offline, replaced by its kind or labelled, in rejected rows too."""

import json
from typing import Any

import pyarrow as pa
import pytest

from ingestion.pii import Screen, redacted

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe@example.org please", "write to [EMAIL_ADDRESS] please"),
        ("+1 614-555-0101, (614) 555-0102, 614.555.0103", "[PHONE_NUMBER], [PHONE_NUMBER], [PHONE_NUMBER]"),
        ("call me: 6145550101", "call me: [PHONE_NUMBER]"),
        ("my card 4111 1111 1111 1111 was charged", "my card [CREDIT_CARD] was charged"),
        ("IBAN GB82WEST12345698765432", "IBAN [IBAN_CODE]"),
        ("ssn 536-90-4399", "ssn [US_SSN]"),
        ("from 192.0.2.17", "from [IP_ADDRESS]"),
        ("order 6145550101 of 2017-05-04, 12 pieces at 10:30", "order 6145550101 of 2017-05-04, 12 pieces at 10:30"),
        ("", ""),
    ],
)  # fmt: skip
def test_each_kind_is_found_and_numbers_that_are_nobodys_stay(text: str, expected: str) -> None:
    assert redacted(text, "US")[0] == expected


def test_texts_are_redacted_or_labelled_and_the_kinds_are_told() -> None:
    rows: dict[str, list[Any]] = {"t0": ["mail a@example.org", None], "t1": ["mail a@example.org", "hello"]}
    rows["payload"] = [None, None]
    batch = pa.RecordBatch.from_pydict(rows)
    (out,) = Screen((("body", "redact"), ("note", "label")), "US").screened([batch])
    assert out.column("t0").to_pylist() == ["mail [EMAIL_ADDRESS]", None]
    assert out.column("f0").to_pylist() == ["EMAIL_ADDRESS", None]
    assert out.column("t1").to_pylist() == ["mail a@example.org", "hello"]
    assert out.column("f1").to_pylist() == ["EMAIL_ADDRESS", None]


def test_a_rejected_row_keeps_its_fields_but_not_what_people_wrote() -> None:
    payloads = [
        json.dumps({"id": "1", "email": "a@example.org", "mail": {"body": "I am a@example.org"}}),
        json.dumps({"line": "1,a@example.org"}),
    ]
    batch = pa.RecordBatch.from_pydict({"t0": pa.array([None, None], pa.string()), "payload": payloads})
    (out,) = Screen((("mail.body", "redact"),), "US").screened([batch])
    mended, line = (json.loads(payload) for payload in out.column("payload").to_pylist())
    assert mended == {"id": "1", "email": "a@example.org", "mail": {"body": "I am [EMAIL_ADDRESS]"}}
    assert line == {"line": "1,[EMAIL_ADDRESS]"}


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        ('{"line": 5}', {"line": 5}),
        ('{"mail": {"body": ["a@example.org"]}}', {"mail": {"body": '["[EMAIL_ADDRESS]"]'}}),
        ('{"mail": {"body": ["b", 1]}}', {"mail": {"body": ["b", 1]}}),
        (
            '{"mail.body": "a@example.org", "mail": {"body": "a@example.org"}}',
            {"mail.body": "[EMAIL_ADDRESS]", "mail": {"body": "[EMAIL_ADDRESS]"}},
        ),
        ('{"n": ' + "9" * 5000 + ', "x": "a@example.org"}', None),
        ('{"n": ' + "[" * 2000 + "]" * 2000 + ', "x": "a@example.org"}', None),
    ],
)
def test_whatever_shape_a_rejected_row_has_it_is_kept_without_what_people_wrote(payload: str, kept: Any) -> None:
    batch = pa.RecordBatch.from_pydict({"t0": pa.array([None], pa.string()), "payload": [payload]})
    (out,) = Screen((("mail.body", "redact"),), "US").screened([batch])
    told = out.column("payload")[0].as_py()
    assert "a@example.org" not in told
    assert kept is None or json.loads(told) == kept
