"""Hunt for bytes that break a parser, following coverage: `fuzzing.py PARSER SECONDS FOLDER`.

FOLDER keeps what is found, and it is told with its bytes; put them into `SEEDS` of `parsers.py`, where the tests of the
day read them again.
"""

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
OURS = ["api.http", "consent.signals", "infra", "ingestion.collector", "profiles.changefeed", "profiles.features"]
with atheris.instrument_imports(include=OURS, enable_loader_override=False):
    from parsers import PARSERS, SEEDS


def main(name: str, seconds: str, folder: str) -> None:
    """Hunt for so long; the process ends with 0 where nothing was found."""
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [sys.argv[0], f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-max_len=8000"]
    atheris.Setup([*arguments, "-rss_limit_mb=2048", "-timeout=60", str(corpus)], PARSERS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
