"""Sends one of each call and a few hundred tracks with an SDK, as a customer's program would.

Both are one by origin: `segment.analytics` is segment-analytics-python, `rudderstack.analytics` rudder-sdk-python.
"""

import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module

sdk, url, key, compressed, count, pause = sys.argv[1:7]
Client = import_module(f"{sdk}.client").Client
VERSION = import_module(f"{sdk}.version").VERSION
errors: list[str] = []
client = Client(key, host=url, gzip=compressed == "gzip", on_error=lambda error, _batch: errors.append(str(error)))


def who() -> dict[str, object]:
    """Return whose event it is; some SDKs write into the context that they are handed."""
    return {"user_id": "u-1", "context": {"ip": "192.0.2.1"}}


client.identify(traits={"email": "anna@example.org", "born": datetime(1984, 2, 29, tzinfo=UTC)}, **who())
client.track(event="Order Completed", properties={"revenue": 14.99, "note": "Grüße 🍵"}, **who())
client.page(category="Docs", name="Home", properties={"url": "https://shop.example.org"}, **who())
client.screen(category="App", name="Start", **who())
client.group(group_id="g-1", traits={"name": "Initech"}, **who())
client.alias(previous_id="c-1", user_id="u-1")
long_ago = datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone(timedelta(hours=-11)))
client.track(user_id="u-2", event="Long Ago", timestamp=long_ago)
client.track(user_id=7, event="By Number", anonymous_id="c-7")
for number in range(int(count)):
    client.track(user_id=f"u-{number % 7}", event="Seen", properties={"number": number}, message_id=f"m-{number}")
    time.sleep(float(pause))
client.flush()
client.shutdown()
sys.exit(f"{VERSION}: {errors}" if errors else 0)
