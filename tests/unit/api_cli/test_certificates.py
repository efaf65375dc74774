"""`kindred erasure verify`: what holds, what does not, and whether the stores are still clean."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app as root
from consent.residue.certificate import CertificateFacts, certificate, written
from consent.residue.model import PlaceReport, ScanReport
from infra.errors import Broken, Malformed, Missing
from infra.signing import Signer

SIGNER = Signer.of(bytes(range(32)))
NONCE = bytes(range(32))
ANN = "anne.hathaway@example.org"
AT = datetime(2026, 11, 27, tzinfo=UTC)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(root, ["erasure", "verify", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def issued(tmp_path: Path) -> Path:
    """A certificate over two stores, as its file."""
    places = tuple(
        PlaceReport(
            store=s, kind="logs", files=1, bytes=9, decoders=("text",), hits=(), unscanned=(), canary_found=True
        )
        for s in ("database", "lake.records", "logs.runner.log")
    )
    report = ScanReport(places=places, needles=60, too_short=0, seconds=0.1)
    facts = CertificateFacts(
        certificate_id="c-1", request_id="r-1", controller="Example Shop", identifiers=(f"email:{ANN}",), nonce=NONCE,
        before=report, after=report, exclusions=(), recipients=(), keys_destroyed=(), retained=(),
        suppression_versions=(1,), started_at=AT, finished_at=AT, tool_version="0.1.0",
    )  # fmt: skip
    path = tmp_path / "certificate.json"
    path.write_bytes(written(certificate(facts, SIGNER)))
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose state holds a log and a database."""
    folder = tmp_path / "shop"
    (folder / "state").mkdir(parents=True)
    (folder / "kindred.yaml").write_text("name: shop\n", encoding="utf-8")
    (folder / ".env").write_text(f"KINDRED_TOKEN_KEY={'a1' * 32}\n", encoding="utf-8")  # pragma: allowlist secret
    (folder / "identity.yaml").write_text("identifiers:\n  email: {normaliser: email}\n", encoding="utf-8")
    (folder / "state" / "runner.log").write_text("nothing of interest\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("key", [SIGNER.public.hex(), base64.b64encode(SIGNER.public).decode()])
def test_a_certificate_that_holds(issued: Path, key: str) -> None:
    code, told = run(str(issued), "--public-key", key, "--identifier", f"email:{ANN}", "--nonce", NONCE.hex())
    assert code == 0, told
    assert "certificate c-1: certified\n3 stores, 3 files, 27 bytes searched" in told
    assert "holds: signed with the controller's key" in told
    assert "holds: it is about all 1 identifiers" in told


def test_without_the_key_it_says_whose_key_has_to_be_known(issued: Path) -> None:
    code, told = run(str(issued))
    assert code == 0
    assert f"signed with key {SIGNER.key_id}; ask the controller whether it is theirs" in told


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--public-key", "00" * 32], Broken, "wrong: public_key is not the key that it should be signed with"),
        (["--public-key", "00"], Malformed, "--public-key has 1 bytes; an Ed25519 key has 32"),
        (["--public-key", "zz"], Malformed, "not base64"),
        (["--nonce", "zz"], Malformed, "--nonce is not hexadecimal"),
        (["--identifier", "ann"], Malformed, "an identifier is type:value"),
        (
            ["--identifier", "email:eve@example.org", "--nonce", "00" * 32],
            Broken,
            "1 of 1 identifiers are not this person's",
        ),
        (["--identifier", f"email:{ANN}"], Broken, "cannot be opened without the person's nonce"),
        (["--again"], Malformed, "--again searches for identifiers: add --identifier"),
    ],
)
def test_what_does_not_hold(issued: Path, arguments: list[str], error: Any, says: str) -> None:
    code, told = run(str(issued), *arguments)
    assert code == error.exit_code
    assert says in " ".join(told.split())
    assert ANN not in told
    assert "eve@" not in told


def test_a_file_that_was_changed_or_is_none(issued: Path, tmp_path: Path) -> None:
    issued.write_bytes(issued.read_bytes().replace(b"certified", b"Certified"))
    code, told = run(str(issued))
    assert (code, "wrong: signature is not of this document" in told) == (Broken.exit_code, True)
    issued.write_bytes(issued.read_bytes().replace(b'","', b'", "'))
    assert "its bytes were changed" in run(str(issued))[1]
    assert run(str(tmp_path / "none.json"))[0] == Missing.exit_code
    assert run(str(tmp_path))[0] == Malformed.exit_code


def test_the_stores_are_searched_again(issued: Path, workspace: Path) -> None:
    again = ["--again", "--identifier", "email: Anne.Hathaway@example.org", "-w", str(workspace)]
    code, told = run(str(issued), *again)
    assert code == 0, told
    assert "not here, and not searched again: database, lake.records" in told
    assert "searched again: 1 files" in told
    (workspace / "state" / "runner.log").write_text(f"{ANN.upper()} was here\n", encoding="utf-8")
    code, told = run(str(issued), *again)
    assert code == Broken.exit_code
    assert "found: logs.runner.log/runner.log: text (raw)" in told
    assert "anne" not in told.lower()
    assert '"left": [\n    [\n      "logs.runner.log"' in run(str(issued), *again, "--json")[1]


def test_the_wrong_workspace_and_types_that_it_does_not_know(issued: Path, workspace: Path) -> None:
    (workspace / "state" / "runner.log").unlink()
    code, told = run(str(issued), "--again", "--identifier", f"email:{ANN}", "-w", str(workspace))
    assert (code, "none of the certificate's stores" in told) == (Missing.exit_code, True)
    code, told = run(str(issued), "--again", "--identifier", "fax:1", "-w", str(workspace))
    assert (code, "unknown identifier type fax" in told) == (Malformed.exit_code, True)
    code, told = run(str(issued), "--again", "--identifier", "email:nobody", "-w", str(workspace))
    assert (code, "no valid email" in told) == (Malformed.exit_code, True)
