"""Run by Feast's own Python: a feature repository with the features of serving_world.py, in the folder given."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import String
from feast.value_type import ValueType

folder = Path(sys.argv[1])
ids = (folder / "ids").read_text().split()
(folder / "feature_store.yaml").write_text(
    "project: bench\nregistry: registry.db\nprovider: local\nonline_store: {type: sqlite, path: online.db}\n"
    "entity_key_serialization_version: 3\n"
)
now = datetime.now(UTC)
features = {f"trait_{n}": [str(n * number) for number in range(len(ids))] for n in range(20)}
features |= {f"attribute_{n}": [f"attribute {n} {number}" for number in range(len(ids))] for n in range(8)}
rows = pd.DataFrame({"profile_id": ids, "at": now, **features})
rows.to_parquet(folder / "rows.parquet")
store = FeatureStore(repo_path=str(folder))
person = Entity(name="person", join_keys=["profile_id"], value_type=ValueType.STRING)
source = FileSource(path=str(folder / "rows.parquet"), timestamp_field="at")
fields = [Field(name=name, dtype=String) for name in features]
view = FeatureView(name="profile", entities=[person], schema=fields, source=source, ttl=timedelta(days=9), online=True)
store.apply([person, view])
store.write_to_online_store("profile", rows)
