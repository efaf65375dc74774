"""The events of a request as trees, for whoever must look into them beside their way into the log."""

from collections.abc import Mapping
from typing import Any

from ingestion.collector import entry
from ingestion.collector.door import tree
from ingestion.collector.intake import Receipt
from ingestion.collector.mend import depth, mended
from ingestion.collector.wire import LEVELS, Parcel, item_sent_at


def opened(parcel: Parcel, receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return each event of a request as readers of the log see it, broken ones as far as they can be read."""
    common = entry.shared(parcel.context, parcel.integrations)
    batch = dict(tree(common)) if common else {}
    found: list[Mapping[str, Any]] = []
    for raw in parcel.raws:
        event = bytes(raw)
        if depth(event, LEVELS) > LEVELS:
            flat = mended(event, LEVELS)
            event = flat.told(flat.text)[0]
        said = tree(event)
        if isinstance(said, dict):
            held: dict[str, Any] = {"r": receipt.received_at, "m": "", "b": batch, "e": said}
            if (sent_at := parcel.sent_at or item_sent_at(event)) is not None:
                held["s"] = sent_at
            found.append(entry.merged(held | ({"g": True} if receipt.gpc else {})))
    return found
