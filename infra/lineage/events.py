"""What happened as an event of OpenLineage: names, types and counts; no value of a row is in any of them."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    JobFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)

from infra.lineage.model import Given, Happened, Made, Origin

_LANGUAGE: Final = "PYTHON"


def producer() -> str:
    """Return who makes the events, as a URI."""
    try:
        return f"urn:kindred:{version('kindred')}"
    except PackageNotFoundError:  # a checkout that nobody installed
        return "urn:kindred:source"


def run_uuid(namespace: str, run_id: str, step: str | None) -> str:
    """Return the id of a run or step: the same for the same, so that a resumed one is told as one."""
    return str(uuid5(NAMESPACE_URL, f"urn:kindred:{namespace}:{run_id}:{step or ''}"))


def event(happened: Happened, namespace: str, made_by: str) -> RunEvent:
    """Return the event of what happened; jobs are called `<job>` and `<job>.<step>`."""
    facets: dict[str, RunFacet] = {}
    if happened.step is not None:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=run_uuid(namespace, happened.run_id, None)),
            job=parent_run.Job(namespace=namespace, name=happened.job),
            producer=made_by,
        )
    if happened.error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=happened.error, programmingLanguage=_LANGUAGE, producer=made_by
        )
    kind = "JOB" if happened.step is None else "TASK"
    job_facets: dict[str, JobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="KINDRED", jobType=kind, producer=made_by
        )
    }
    name = happened.job if happened.step is None else f"{happened.job}.{happened.step}"
    return RunEvent(
        eventTime=happened.at.isoformat(timespec="milliseconds"),
        eventType=RunState[happened.kind],
        run=Run(runId=run_uuid(namespace, happened.run_id, happened.step), facets=facets),
        job=Job(namespace=namespace, name=name, facets=job_facets),
        inputs=[_input(given, made_by) for given in happened.given],
        outputs=[_output(made, made_by) for made in happened.made],
        producer=made_by,
    )


def _input(given: Given, made_by: str) -> InputDataset:
    facets: dict[str, InputDatasetFacet] = {}
    if given.rows is not None:
        facets["dataQualityMetrics"] = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            rowCount=given.rows, columnMetrics={}, producer=made_by
        )
    return InputDataset(
        namespace=given.address.namespace,
        name=given.address.name,
        facets=_schema(given, made_by),
        inputFacets=facets,
    )


def _output(made: Made, made_by: str) -> OutputDataset:
    facets, counted = _schema(made, made_by), dict[str, OutputDatasetFacet]()
    if made.version is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=str(made.version), producer=made_by
        )
    if made.origins or made.conditions:
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={name: _fields(origins) for name, origins in made.origins.items()},
            dataset=_sources(made.conditions),
            producer=made_by,
        )
    if made.rows is not None:
        counted["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=made.rows, size=made.size, fileCount=made.files, producer=made_by
        )
    address = made.address
    return OutputDataset(namespace=address.namespace, name=address.name, facets=facets, outputFacets=counted)


def _schema(one: Given | Made, made_by: str) -> dict[str, DatasetFacet]:
    if not one.fields:
        return {}
    fields = [schema_dataset.SchemaDatasetFacetFields(name=field.name, type=field.type) for field in one.fields]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields, producer=made_by)}


def _fields(origins: Sequence[Origin]) -> column_lineage_dataset.Fields:
    return column_lineage_dataset.Fields(inputFields=_sources(origins))


def _sources(origins: Sequence[Origin]) -> list[column_lineage_dataset.InputField]:
    return [
        column_lineage_dataset.InputField(
            namespace=origin.of.namespace,
            name=origin.of.name,
            field=origin.column,
            transformations=[
                column_lineage_dataset.Transformation(
                    type="INDIRECT" if origin.how == "FILTER" else "DIRECT", subtype=origin.how
                )
            ],
        )
        for origin in origins
    ]
