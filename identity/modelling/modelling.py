"""Which model a resolution weighs with: the frozen one, or one that is learnt now and stored with all that it needs."""

from dataclasses import replace

import duckdb

from identity.config import IdentityConfig, compared
from identity.engine import pairing
from identity.matching import frequencies, registry
from identity.matching.registry import MatchModel
from identity.modelling import modelbook, training
from identity.tables import MODEL_REGISTRY, TF_SNAPSHOT
from infra import shelf
from infra.runtime import Runtime


def frozen(runtime: Runtime, config: IdentityConfig, records: int, *, anew: bool) -> MatchModel | None:
    """Return the model to weigh with, or None where one must be learnt: there is none, it is outgrown, or somebody asked."""
    newest = modelbook.newest(runtime.workspace.lake_path)
    if newest is None:
        return None
    mine = newest.batch == runtime.run.number
    fits = registry.usable(newest.text, compared(config), records, config.model.retrain_when_grown)
    return newest.model() if mine or (fits and not anew) else None


def load_frequencies(runtime: Runtime, connection: duckdb.DuckDBPyConnection, model: MatchModel) -> None:
    """Make the model's table `frequencies`."""
    files = shelf.parquet_files(runtime.workspace.lake_path, TF_SNAPSHOT)
    frequencies.load(connection, files, model.frequencies_digest)


def learn(runtime: Runtime, connection: duckdb.DuckDBPyConnection, config: IdentityConfig, records: int) -> MatchModel:
    """Return a model learnt from the table `described`, stored: the frequencies first, for a model needs them.

    It is a model of all `records`, though `described` may be a sample of them: what they grow by counts from there.
    """
    model = replace(training.train(connection, config), records=records)
    spark, run = runtime.lake.spark, runtime.run
    path = runtime.workspace.state_path / "work" / f"resolve-{run.number}" / "frequencies.parquet"
    pairing.write(connection, f"SELECT '{model.frequencies_digest}' AS snapshot, * FROM frequencies", path)
    runtime.lake.append(TF_SNAPSHOT, spark.read.parquet(str(path)))
    row = (model.version, registry.as_text(model), run.started_at, model.records, run.number)
    runtime.lake.append(MODEL_REGISTRY, spark.createDataFrame([row], runtime.lake.schema(MODEL_REGISTRY)))
    return model
