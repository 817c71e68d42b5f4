"""Pieces of the OpenAPI document that FastAPI cannot derive from types: files as bodies, several forms, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.api.http import media

Fragment = dict[str, Any]
Responses = dict[int | str, Fragment]

_TEXT: Fragment = {"type": "string"}
_BINARY: Fragment = {"type": "string", "format": "binary"}
_LABELS: Fragment = {
    "type": "array",
    "items": {"type": ["integer", "string", "null"]},
    "description": "One per image; null for an image without a label.",
}
_LABELS_BACK: Fragment = {
    **_LABELS,
    "items": {"type": ["integer", "string", "boolean", "null"]},
    "description": "One per image, as it was sent; null for an image without a label.",
}
_BASE64_IMAGES: Fragment = {
    "type": "array",
    "items": {"type": "string", "contentEncoding": "base64"},
    "description": "Image files, base64.",
}
_NUMBERS: Fragment = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
_ROWS: Fragment = {"type": "array", "items": {"type": "integer"}}

LATENTS_SCHEMA: Fragment = {
    "type": "object",
    "required": ["latents", "log_variances", "reconstruction_error"],
    "properties": {
        "latents": _NUMBERS,
        "log_variances": _NUMBERS,
        "reconstruction_error": {"type": "array", "items": {"type": "number"}},
        "labels": _LABELS_BACK,
    },
}
IMAGES_SCHEMA: Fragment = {
    "type": "object",
    "required": ["images", "provenance"],
    "properties": {
        "images": {**_BASE64_IMAGES, "description": "PNG files, base64."},
        "provenance": {"type": "array", "items": {"type": "object"}, "description": "How each image was made."},
        "source": {**_ROWS, "description": "The source of each image, by its place in the request. Augment only."},
        "neighbour": {**_ROWS, "description": "The neighbour that it was made with; -1 for none. Augment only."},
        "labels": _LABELS_BACK,
        "warnings": {
            "type": "array",
            "items": _TEXT,
            "description": "What about the images sent may not be as it was meant; left out where nothing is.",
        },
    },
}

SPREAD_SCHEMA: Fragment = {
    "type": "object",
    "required": ["labels", "confidence", "kept"],
    "properties": {
        "labels": {**_LABELS_BACK, "description": "One per image; null for one that is unlike every labelled image."},
        "confidence": {
            "type": "array",
            "items": {"type": "number"},
            "description": "The chance that each label is right: 1 where it was sent, 0 where there is none.",
        },
        "kept": {
            "type": "array",
            "items": {"type": "boolean"},
            "description": "Whether each image belongs in a training set.",
        },
    },
}

PROBLEM_SCHEMA: Fragment = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do next."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {"loc": {"type": "string"}, "msg": {"type": "string"}},
            },
        },
        "missing": {
            "type": "object",
            "required": ["list", "name"],
            "properties": {"list": {"enum": ["models", "datasets", "jobs"]}, "name": {"type": "string"}},
            "description": "Of a 404 about a thing with a name: where such things are listed, and the name.",
        },
    },
}
_PROBLEMS = {
    400: "The bytes are not what they claim to be.",
    401: "The key is missing or unknown.",
    403: "The key lacks the scope; or there are no keys, and a page of another site asks.",
    404: "There is no such thing.",
    406: "The answer cannot be given in any form that `Accept` names.",
    408: "The body stopped coming, or comes too slowly.",
    409: "The name is taken, or the present state does not allow this.",
    413: "The request exceeds a limit on bytes, images or pixels.",
    416: "There are no bytes in the range that was asked for.",
    415: "This endpoint cannot read a body of that form.",
    421: "The service has no keys, and the request is for another host.",
    422: "The request is well formed but wrong; `errors` names the fields.",
    429: "The rate is exceeded, or the queue or the memory is full. `Retry-After` says when to try again.",
    503: "The service is not ready, or is stopping. `Retry-After` says when to try again.",
    504: "There was no answer within the time that the caller allowed.",
    507: "No room is left to keep this, or the service may not write there; nothing of it was kept.",
}


def operation_id(route: APIRoute) -> str:
    """Return the endpoint's name as its id, so that generated clients have stable names."""
    return route.name


def operation(
    name: str, description: str, tag: str, path_parameter: str, request: Fragment, responses: Responses
) -> Fragment:
    """Document an endpoint that is not a FastAPI route, as FastAPI would.

    Args:
        name: the endpoint's name, which is also its id.
        description: what it does; an empty line separates paragraphs.
        tag: what it is listed under.
        path_parameter: the parameter in its path.
        request: parameters and body, as `image_request` returns them.
        responses: the answers by status.
    """
    in_path = {"name": path_parameter, "in": "path", "required": True}
    in_path["schema"] = {"type": "string", "title": path_parameter.title()}
    return {
        "tags": [tag],
        "summary": name.title(),
        "description": description,
        "operationId": name,
        "security": [{"bearer": []}],
        "parameters": [in_path, *request["parameters"]],
        "responses": {str(status): response for status, response in responses.items()},
        "requestBody": request["requestBody"],
    }


def problems(*statuses: int) -> Responses:
    """Document the answers that are problems: these statuses, and those that every endpoint behind a key can give."""
    return {
        status: {"description": _PROBLEMS[status], "content": {media.PROBLEM: {"schema": PROBLEM_SCHEMA}}}
        for status in sorted({*statuses, 401, 403, 421, 422, 429})
    }


def answer(forms: Sequence[str], json_schema: Fragment | None = None, *, status: int = 200) -> Responses:
    """Document an answer in one of several forms."""
    schemas = {media.JSON: json_schema or {"type": "object"}, media.CSV: _TEXT, media.MARKDOWN: _TEXT}
    content = {form: {"schema": schemas.get(form, _BINARY)} for form in forms}
    return {status: {"description": "The answer, in the form that `Accept` asks for.", "content": content}}


def event_stream() -> Responses:
    """Document an answer that is a stream of server-sent events, or empty where the stream is over."""
    return {
        200: {"description": "The events.", "content": {media.EVENTS: {"schema": {"type": "string"}}}},
        204: {"description": "The job has ended and the caller has seen its end."},
    }


def image_request(forms: Sequence[str], options: type[BaseModel]) -> Fragment:
    """Document a request with images; its options are in the query string, or in the fields of JSON and forms."""
    fields = _properties(options)
    labelled = {**fields, "labels": _LABELS}
    schemas: dict[str, Fragment] = {
        media.JSON: _object({"images": _BASE64_IMAGES, **labelled}, "images"),
        media.MULTIPART: _object({"images": {"type": "array", "items": _BINARY}, **labelled}, "images"),
    }
    return _request(forms, schemas, options)


def latent_request(options: type[BaseModel]) -> Fragment:
    """Document a request with latents."""
    fields = _properties(options)
    schemas = {media.JSON: _object({"latents": _NUMBERS, **fields}, "latents")}
    return _request(media.LATENT_BODIES, schemas, options)


def file_request(forms: Sequence[str]) -> Fragment:
    """Document a request that is a file."""
    return {"requestBody": {"required": True, "content": {form: {"schema": _BINARY} for form in forms}}}


def _request(forms: Sequence[str], schemas: Mapping[str, Fragment], options: type[BaseModel]) -> Fragment:
    timeout = {
        "name": "X-Request-Timeout",
        "in": "header",
        "required": False,
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "description": "Most seconds to wait for the answer.",
    }
    content = {form: {"schema": schemas.get(form, _BINARY)} for form in forms}
    return {"parameters": [*_query(options), timeout], "requestBody": {"required": True, "content": content}}


def _query(options: type[BaseModel]) -> list[Fragment]:
    """The options in the query string, as parameters."""
    required = options.model_json_schema().get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in _properties(options).items()
    ]


def _properties(options: type[BaseModel]) -> dict[str, Fragment]:
    """The schema of each option, without defaults of null, which say only that an option may be left out."""
    properties: dict[str, Fragment] = options.model_json_schema().get("properties", {})
    return {
        name: {key: value for key, value in schema.items() if value is not None} for name, schema in properties.items()
    }


def _object(properties: Mapping[str, Fragment], required: str) -> Fragment:
    return {"type": "object", "properties": dict(properties), "required": [required], "additionalProperties": False}
