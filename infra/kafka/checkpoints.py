"""How far Spark has read a topic, by the checkpoint that it keeps: files alone, no broker and no client."""

import json
from pathlib import Path


def read_up_to(checkpoint: Path, topic: str) -> dict[int, int]:
    """Return by partition the offset that Spark's checkpoint has committed; empty before its first batch."""
    done = [int(file.name) for file in checkpoint.glob("commits/*") if file.name.isdigit()]
    if not done:
        return {}
    lines = (checkpoint / "offsets" / str(max(done))).read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        told = json.loads(line)
        if isinstance(told, dict) and topic in told:
            return {int(part): int(offset) for part, offset in told[topic].items()}
    return {}
