"""The OpenAPI document, good enough to generate a client from: lasting names of operations, problems, examples."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi.routing import APIRoute

from api.http.problems import MEDIA_TYPE, TITLE, Problem

# A generated client's methods are called so: a name stays once it is shipped. The first word is a verb.
NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/v1/profiles:lookup"): "lookupProfile",
    ("POST", "/v1/profiles:batchLookup"): "lookupProfiles",
    ("POST", "/v1/features"): "readFeatures",
    ("GET", "/v1/profiles/{profile_id}"): "getProfile",
    ("GET", "/v1/profiles/{profile_id}/events"): "listEvents",
    ("GET", "/v1/profiles/{profile_id}/links"): "listLinks",
    ("GET", "/v1/profiles/{profile_id}/history"): "listVersions",
    ("GET", "/v1/profiles/{profile_id}/how"): "explainProfile",
    ("GET", "/v1/changes"): "listChanges",
    ("POST", "/v1/changes/acknowledgements"): "confirmChanges",
    ("POST", "/v1/identity:why"): "explainMatch",
    ("POST", "/v1/identity:whyNot"): "explainNoMatch",
    ("GET", "/v1/review"): "listQuestions",
    ("GET", "/v1/review/{task_id}"): "getQuestion",
    ("POST", "/v1/review/{task_id}:decide"): "decideQuestion",
    ("POST", "/v1/consent"): "recordConsent",
    ("POST", "/v1/consent:show"): "listConsents",
    ("POST", "/v1/consent:decide"): "decideConsent",
    ("POST", "/v1/consent:signal"): "signalConsent",
    ("POST", "/v1/consent:request"): "requestConsent",
    ("POST", "/v1/consent:confirm"): "confirmConsent",
    ("POST", "/v1/consent:receipts"): "listReceipts",
    ("POST", "/v1/consent:consistency"): "proveConsistency",
    ("GET", "/v1/consent/heads"): "listHeads",
    ("GET", "/v1/consent/{entry}/receipt"): "getReceipt",
    ("GET", "/.well-known/gpc.json"): "getGpcSupport",
    ("POST", "/v1/preferences:link"): "signPreferenceLink",
    ("POST", "/v1/privacy/requests"): "takePrivacyRequest",
    ("GET", "/v1/privacy/requests"): "listPrivacyRequests",
    ("GET", "/v1/privacy/requests/{request_id}"): "getPrivacyRequest",
    ("GET", "/v1/privacy/requests/{request_id}/export"): "exportPrivacyRequest",
    ("POST", "/v1/privacy/requests/{request_id}:verify"): "verifyPrivacyRequest",
    ("POST", "/v1/privacy/requests/{request_id}:approve"): "approvePrivacyRequest",
    ("POST", "/v1/privacy/requests/{request_id}:refuse"): "refusePrivacyRequest",
    ("POST", "/v1/privacy/requests/{request_id}:extend"): "extendPrivacyRequest",
    ("POST", "/v1/privacy/requests/{request_id}:cancel"): "cancelPrivacyRequest",
    ("GET", "/v1/privacy/clocks"): "countPrivacyClocks",
    ("POST", "/v1/decide"): "decide",
    ("POST", "/v1/verdicts:lookup"): "lookupVerdicts",
    ("GET", "/v1/sources"): "listSources",
    ("GET", "/v1/projects/{key}/settings"): "getSettings",
    ("GET", "/projects/{key}/settings"): "getSettingsAtOldAddress",
    ("GET", "/healthz"): "getHealth",
    ("GET", "/readyz"): "getReadiness",
    ("GET", "/metrics"): "getMetrics",
}
_PROBLEMS: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OF_THE_SERVER: Final = ("/healthz", "/readyz", "/metrics")
# What the framework would say of an invalid request, and never does: every route answers with a problem.
_UNSAID: Final = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """Return the lasting name of an operation: the shipped one, else its function's in a client's spelling."""
    method = min(route.methods or {"GET"})
    first, *rest = route.name.split("_")
    return NAMES.get((method, route.path_format), first + "".join(word.capitalize() for word in rest))


def finished(document: dict[str, Any]) -> dict[str, Any]:
    """Return the framework's document with one schema for all problems, and nothing in it that nobody answers with."""
    # Of people first, of the server last, whatever the framework asks first.
    document["paths"] = dict(sorted(document["paths"].items(), key=lambda one: one[0] in _OF_THE_SERVER))
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    shared = document["components"].setdefault("responses", {})
    for operations in document["paths"].values():
        for operation in operations.values():
            _share(operation["responses"], shared)
    for name in _UNSAID:
        schemas.pop(name, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _share(answers: dict[str, Any], shared: dict[str, Any]) -> None:
    """Put each problem into the document once, by its status, and refer to it."""
    for status, answer in answers.items():
        content = answer.get("content", {})
        said = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        if said.rpartition("/")[2] in _UNSAID:
            content = _PROBLEMS
            answer = {"description": TITLE[422], "content": content}  # noqa: PLW2901 - the framework's word for ours
        if content == _PROBLEMS:
            name = f"Problem{status}"
            if shared.setdefault(name, answer) == answer:
                answers[status] = {"$ref": f"#/components/responses/{name}"}
