"""botocore's service models as the judge of a request: which operation it is, and whether its parameters
exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from sandbox.aws.errors import ApiError

_VALIDATOR = ParamValidator()

_QUERY_OWN = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp"}
)
"""Parameters of the query protocol itself; those of a presigned URL start with `X-Amz-`."""


@dataclass(frozen=True)
class Route:
    """A REST operation: its method, its path by segments, and the query markers in its URI."""

    operation: str
    method: str
    pattern: re.Pattern[str]
    literals: int
    markers: frozenset[str]
    needed: frozenset[str]
    """Query parameters without which it is not asked for."""
    rank: tuple[int, int]
    """Of operations that are otherwise alike, the lower is meant: one that needs no header, one that is not
    deprecated."""


@cache
def service_model(service: str) -> Any | None:
    """AWS's model of a service by its signing name, or None when botocore has none by that name."""
    names = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2", "airflow": "mwaa"}
    try:
        document = botocore.loaders.create_loader().load_service_model(
            names.get(service, service), "service-2"
        )
    except Exception:
        return None
    return ServiceModel(document, service_name=service)


def protocol_of(service: str) -> str:
    """`query`, `ec2`, `json`, `rest-json` or `rest-xml`."""
    found = service_model(service)
    return "rest-json" if found is None else str(found.metadata["protocol"])


@cache
def _routes(service: str) -> tuple[Route, ...]:
    found = service_model(service)
    routes: list[Route] = []
    for name in () if found is None else found.operation_names:
        http = found.operation_model(name).http  # type: ignore[union-attr]
        path, _, query = http["requestUri"].partition("?")
        markers = frozenset(key for key, _ in parse_qsl(query, keep_blank_values=True))
        pattern = re.sub(
            r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", re.escape(path))
        )
        literals = len(re.sub(r"\{[^}]*\}", "", path))
        shape = found.operation_model(name).input_shape  # type: ignore[union-attr]
        required = [shape.members[each] for each in shape.required_members] if shape is not None else []
        places = [(each.serialization.get("location"), each.serialization.get("name")) for each in required]
        needed = frozenset(str(key) for place, key in places if place == "querystring")
        headers = sum(place == "header" for place, _ in places)
        deprecated = found.operation_model(name).deprecated  # type: ignore[union-attr]
        compiled = re.compile(pattern.rstrip("/") + "/?$")
        rank = (headers, int(bool(deprecated)))
        routes.append(Route(name, http["method"], compiled, literals, markers, needed, rank))
    # The most specific first: a marker such as ?versioning, then the longest fixed text.
    return tuple(sorted(routes, key=lambda route: (-len(route.markers), -route.literals)))


def rest_route(service: str, method: str, raw_path: str, query: str) -> tuple[Route, dict[str, str]] | None:
    """The REST operation that a request line means, with its path parameters decoded."""
    keys = {key for key, _ in parse_qsl(query, keep_blank_values=True)}
    best: tuple[Route, re.Match[str]] | None = None
    for route in _routes(service):
        if best is not None and _specific(route) < _specific(best[0]):
            break
        if route.method != method or not route.markers <= keys:
            continue
        match = route.pattern.match(raw_path)
        # S3 tells several operations apart only by what they cannot do without.
        if match and (best is None or _fit(route, keys) < _fit(best[0], keys)):
            best = route, match
    if best is None:
        return None
    return best[0], {name: unquote(value) for name, value in best[1].groupdict().items()}


def _specific(route: Route) -> tuple[int, int]:
    return len(route.markers), route.literals


def _fit(route: Route, keys: set[str]) -> tuple[int, int, tuple[int, int]]:
    return len(route.needed - keys), -len(route.needed & keys), route.rank


def rest_parameters(
    service: str, route: Route, path: dict[str, str], query: str, body: object
) -> dict[str, Any]:
    """A REST-JSON request as the parameters that its operation's model names. Unknown ones stay, to be
    refused."""
    shape = service_model(service).operation_model(route.operation).input_shape  # type: ignore[union-attr]
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters: dict[str, Any] = {}
    if isinstance(body, dict):
        parameters.update(body)
    known: set[str] = set()
    for member, member_shape in () if shape is None else shape.members.items():
        place = member_shape.serialization.get("location")
        name = member_shape.serialization.get("name", member)
        known.add(name)
        if place == "uri":
            parameters[member] = path[name]
        elif place == "querystring":
            values = [value for key, value in pairs if key == name]
            if values and member_shape.type_name == "list":
                parameters[member] = values
            elif values:
                parameters[member] = _scalar(member_shape.type_name, values[0])
    parameters.update({key: value for key, value in pairs if key not in known})
    return parameters


def _scalar(kind: str, text: str) -> Any:
    if kind in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def validate(service: str, operation: str, parameters: Any) -> None:
    """Holds parameters against AWS's model; raises ValidationException with every fault the model finds."""
    shape = service_model(service).operation_model(operation).input_shape  # type: ignore[union-attr]
    if shape is None:
        if parameters:
            raise ApiError(
                "ValidationException", f"{operation} takes no parameters, got {sorted(parameters)}."
            )
        return
    report = _VALIDATOR.validate(parameters, shape)
    faults = [report.generate_report()] if report.has_errors() else []
    if not faults:
        faults = list(_beyond_botocore(parameters, shape, ""))
    if faults:
        raise ApiError("ValidationException", "\n".join(faults))


def _beyond_botocore(value: Any, shape: Any, where: str) -> Any:
    # botocore leaves enums, patterns and lengths of text to the service; these are the model's own words on
    # them.
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from _beyond_botocore(inner, shape.members[name], f"{where}.{name}" if where else name)
    elif shape.type_name == "list":
        for number, inner in enumerate(value):
            yield from _beyond_botocore(inner, shape.member, f"{where}[{number}]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _beyond_botocore(inner, shape.value, f"{where}.{name}")
    elif shape.type_name == "string":
        allowed = shape.enum
        pattern = shape.metadata.get("pattern")
        longest = shape.metadata.get("max")
        if allowed and value not in allowed:
            yield f"Value {value!r} at {where!r}: allowed are {', '.join(allowed)}."
        if pattern and not _matches(pattern, value):
            yield f"Value {value!r} at {where!r} does not match the pattern {pattern}."
        if longest is not None and len(value) > longest:
            yield f"Value at {where!r} has {len(value)} characters: at most {longest} are allowed."


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:  # the models' patterns are Java's, and a few say things that Python's engine cannot
        return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@cache
def _query_names(service: str, operation: str) -> frozenset[str] | None:
    found = service_model(service)
    if found is None or operation not in found.operation_names:
        return None
    shape = found.operation_model(operation).input_shape
    names: set[str] = set()
    for member, member_shape in {} if shape is None else shape.members.items():
        serialization = member_shape.serialization
        name = serialization.get("name", member)
        if protocol_of(service) == "ec2":
            names.add(serialization.get("queryName") or name[0].upper() + name[1:])
            continue
        if member_shape.type_name == "list" and serialization.get("flattened"):
            name = member_shape.member.serialization.get("name", name)
        names.add(name)
    return frozenset(names)


def validate_query(service: str, operation: str, form: dict[str, str]) -> None:
    """Refuses a query-protocol parameter that the operation's model does not have (by its outermost name)."""
    known = _query_names(service, operation)
    if known is None:
        return
    for key in form:
        root = key.partition(".")[0]
        if root not in known and root not in _QUERY_OWN and not root.startswith("X-Amz-"):
            if service == "ec2":
                raise ApiError("UnknownParameter", f"The parameter {root} is not recognized")
            raise ApiError(
                "ValidationError", f"{operation} has no parameter {root}; it has {', '.join(sorted(known))}"
            )
