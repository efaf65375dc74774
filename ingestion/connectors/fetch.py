"""Which function lands the rows of which kind of connector."""

from infra.runtime import Runtime
from ingestion.config import Source
from ingestion.connectors import delta, dlt, jdbc, kafka, postgres
from ingestion.connectors.declared import Delta, Dlt, Fetched, Jdbc, KafkaTopic, Postgres, Python
from ingestion.connectors.landed import Landed
from ingestion.connectors.own import own_function
from ingestion.cursors import Cursors


def fetch(runtime: Runtime, source: Source, connector: Fetched) -> None:
    """Land what a source has that is new; raise what keeps it from that, with nothing half landed."""
    workspace = runtime.workspace
    landing = Landed(
        workspace.landing_path,
        source.source,
        Cursors(runtime.database),
        at=runtime.run.started_at,
        say=runtime.say,
        again=connector.again,
    )
    match connector:
        case Postgres():
            postgres.land(landing, connector, source.columns())
        case Jdbc():
            jdbc.land(landing, connector, source.columns(), runtime.lake.spark, workspace, runtime.run.started_at)
        case Delta():
            delta.land(landing, connector, workspace, runtime.lake.spark)
        case Dlt():
            dlt.land(landing, connector, workspace.root, workspace.state_path)
        case KafkaTopic():
            kafka.land(landing, connector)
        case Python():
            own_function(source.source, workspace.root, connector.path, "land")(landing, connector.options)
