"""Whatever bytes come from outside, a parser reads them or says that it cannot, and its laws hold.

By day a few drawn ones. At night more, and a hunt that follows coverage, for KINDRED_FUZZ_SECONDS a parser.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsers import PARSERS, SEEDS

SUPPORT = Path(__file__).parents[2] / "support"
SECONDS = int(os.environ.get("KINDRED_FUZZ_SECONDS", "20"))
HUNTS = importlib.util.find_spec("atheris") is not None


@st.composite
def near(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return something near to what is right: cut, doubled, with other bytes in it."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at, end = sorted(draw(st.integers(0, len(data))) for _ in range(2))
        data[at:end] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[at:end]) * 2), st.just(b"")))
    return bytes(data[:8_000])


@pytest.mark.parametrize("name", PARSERS)
def test_drawn_bytes(name: str) -> None:
    @given(st.one_of(near(SEEDS[name]), st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
    def holds(data: bytes) -> None:
        PARSERS[name](data)

    for seed in SEEDS[name]:
        PARSERS[name](seed)
    holds()


@pytest.mark.nightly
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.skipif(not HUNTS, reason="atheris has no build for this Python or machine; drawn bytes are tested above")
@pytest.mark.parametrize("name", PARSERS)
def test_a_hunt_finds_nothing(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SUPPORT / "fuzzing.py"), name, str(SECONDS), str(tmp_path)]
    done = subprocess.run(command, cwd=SUPPORT.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "DONE" in done.stderr, "it ran to its end"
