"""How calls that moto lacks are added to its EC2, and where their state lives.

moto parses a request by AWS's model, looks for a method of its response class by the operation's name, and
writes the answer by the model again. So an operation here is a function from parsed parameters to an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.aws.errors import ApiError

if TYPE_CHECKING:
    from sandbox.aws.ec2.placement import PlacementGroup
    from sandbox.aws.ec2.reservations import Offering, Reservation

Handler = Callable[[Any, dict[str, Any]], dict[str, Any]]
"""From moto's EC2 of a region and the request's parameters to the answer."""

_TAGGED = {"pg": "placement-group", "cr": "capacity-reservation"}

HANDLERS: dict[str, Handler] = {}


@dataclass
class Additions:
    """What a region's EC2 holds beside moto's own; it goes with moto's at a reset."""

    placement_groups: dict[str, PlacementGroup] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    offerings: dict[str, Offering] = field(default_factory=dict)


def additions(backend: Any) -> Additions:
    """The additions of a region's EC2. moto clears its object's attributes at a reset, so these too."""
    found: Additions | None = backend.__dict__.get("bastide_additions")
    if found is None:
        found = backend.bastide_additions = Additions()
    return found


def operation(name: str) -> Callable[[Handler], Handler]:
    """Registers the handler of an operation such as `create_placement_group`."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def install() -> None:
    """Gives moto's EC2 the operations."""
    from moto.core.responses import ActionResult
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.responses import EC2Response
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX

    def method(handler: Handler) -> Callable[[Any], Any]:
        def answer(response: Any) -> Any:
            response.error_on_dryrun()
            try:
                return ActionResult(handler(response.ec2_backend, dict(response.params)))
            except ApiError as error:
                raise EC2ClientError(error.code, error.message) from None

        return answer

    for prefix, kind in _TAGGED.items():  # moto takes tags only of ids whose prefix it knows
        EC2_RESOURCE_TO_PREFIX[kind], EC2_PREFIX_TO_RESOURCE[prefix] = prefix, kind
    for name, handler in HANDLERS.items():
        setattr(EC2Response, name, method(handler))


def tags_given(parameters: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The tags that a create call puts on the thing it makes."""
    found: dict[str, str] = {}
    for entry in parameters.get("TagSpecifications") or []:
        if entry.get("ResourceType") != kind:
            raise ApiError(
                "InvalidParameterValue",
                f"'{entry.get('ResourceType')}' is not a valid taggable resource type for this operation.",
            )
        found |= {pair["Key"]: pair.get("Value", "") for pair in entry.get("Tags") or []}
    return found


def tags_of(backend: Any, resource_id: str) -> list[dict[str, str]]:
    """A resource's tags as EC2 answers them."""
    return [{"Key": key, "Value": value} for key, value in backend.tags.get(resource_id, {}).items()]


def matching(
    documents: Iterable[dict[str, Any]], filters: Iterable[Mapping[str, Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The documents that every filter lets through; `names` maps a filter's name to a member's."""
    found = list(documents)
    for one in filters:
        name, values = one["Name"], set(one.get("Values") or [])
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            found = [d for d in found if any(t["Key"] == key and t["Value"] in values for t in d["Tags"])]
        elif name == "tag-key":
            found = [d for d in found if any(t["Key"] in values for t in d["Tags"])]
        elif name in names:
            found = [d for d in found if str(d.get(names[name])) in values]
        else:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return found
