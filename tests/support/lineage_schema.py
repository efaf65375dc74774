"""The JSON Schema of OpenLineage events as the library's own models have it: types, what is required, nothing more."""

import types
import typing
from enum import Enum
from typing import Any, Union, get_args, get_origin

import attr
from openlineage.client.event_v2 import RunEvent
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.generated.base import BaseFacet

# The facets that we send, by the names that the specification gives them in each place.
_FACETS: dict[str, type] = {
    "parent": parent_run.ParentRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
# What the models fill in by themselves, and the specification asks for.
_ALWAYS = ("producer", "schemaURL", "_producer", "_schemaURL")
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def run_event_schema() -> dict[str, Any]:
    """Return the schema of a run event with our facets."""
    defined: dict[str, Any] = {}
    root = _of(RunEvent, defined)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": defined}


def _of(kind: Any, defined: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one for each way to be typed
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(one, defined) for one in get_args(kind) if one is not type(None)]}
    if origin is list:
        return {"type": "array", "items": _of(get_args(kind)[0], defined)}
    if origin is dict:
        value = get_args(kind)[1]
        if isinstance(value, type) and issubclass(value, BaseFacet):
            mine = {name: _of(facet, defined) for name, facet in _FACETS.items() if issubclass(facet, value)}
            return {"type": "object", "properties": mine, "additionalProperties": False}
        return {"type": "object", "additionalProperties": _of(value, defined)}
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    if not attr.has(kind):
        return {}
    name = f"{kind.__module__}.{kind.__name__}"
    if name not in defined:
        defined[name] = {}
        hints, fields = typing.get_type_hints(kind), attr.fields(kind)
        always = [one.name for one in fields if one.default is attr.NOTHING or one.name in _ALWAYS]
        properties = {one.name: _of(hints[one.name], defined) for one in fields}
        own = {"properties": properties, "required": always, "additionalProperties": False}
        defined[name] = {"type": "object", **own}
    return {"$ref": f"#/$defs/{name}"}
