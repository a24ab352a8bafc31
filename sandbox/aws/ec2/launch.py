"""What RunInstances does beyond moto: market, capacity, reservation, placement group, network cards.

moto leaves a template's metadata options, interfaces, placement, market and reservation out; and it has any
number of any instance.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from sandbox.aws import catalogue
from sandbox.aws.ec2 import placement, reservations
from sandbox.aws.errors import ApiError
from sandbox.aws.faults import ON_DEMAND, SPOT, Faults

EFA_KINDS: Final = ("efa", "efa-only")

_REQUESTED: Final = ("CapacityReservationSpecification", "InstanceMarketOptions", "Placement")
"""What of a request moto does not hand on to its backend."""

_asked: ContextVar[dict[str, Any] | None] = ContextVar("_asked", default=None)


def install(faults: Faults) -> None:
    """Puts the rules in force."""
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_network_interfaces import Attachment, NetworkInterface
    from moto.ec2.responses import EC2Response
    from moto.ec2.utils import filter_dict_attribute_mapping

    reservations.use_faults(faults)
    # DescribeInstances' filters that moto lacks.
    filter_dict_attribute_mapping["placement-group-name"] = "placement.group_name"
    filter_dict_attribute_mapping["capacity-reservation-id"] = "capacity_reservation_id"
    filter_dict_attribute_mapping["instance-lifecycle"] = "lifecycle"
    _keep_request(EC2Response)
    _show_cards(Attachment)
    _show_own_groups(NetworkInterface)
    EC2Backend.run_instances = _launching(EC2Backend.run_instances, faults)


def _keep_request(response: Any) -> None:
    original = response.run_instances

    @wraps(original)
    def run_instances(self: Any) -> Any:
        token = _asked.set({name: self.params[name] for name in _REQUESTED if self.params.get(name)})
        try:
            return original(self)
        finally:
            _asked.reset(token)

    response.run_instances = run_instances


def _show_cards(attachment: Any) -> None:
    original = attachment.__init__

    @wraps(original)
    def init(self: Any, eni: Any) -> None:
        original(self, eni)
        self.network_card_index = getattr(eni, "network_card_index", 0)

    attachment.__init__ = init


def _show_own_groups(interface: Any) -> None:
    # moto shows the instance's security groups on each of its interfaces; on AWS each has its own.
    shared = interface.group_set.fget

    def group_set(self: Any) -> Any:
        return list(self._group_set) if getattr(self, "has_own_groups", False) else shared(self)

    interface.group_set = property(group_set)


def _launching(original: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
    @wraps(original)
    def run_instances(self: Any, image_id: str, count: int, *args: Any, **kwargs: Any) -> Any:
        from moto.ec2.exceptions import EC2ClientError

        try:
            return _run(self, faults, original, image_id, count, *args, **kwargs)
        except ApiError as error:
            raise EC2ClientError(error.code, error.message) from None

    return run_instances


def _run(
    backend: Any,
    faults: Faults,
    original: Callable[..., Any],
    image_id: str,
    count: int,
    *args: Any,
    **kwargs: Any,
) -> Any:
    data: dict[str, Any] = {}
    if kwargs.get("launch_template"):
        data = dict(backend._get_template_from_args(kwargs["launch_template"]).data)
        if kwargs.get("is_instance_type_default") and data.get("InstanceType"):
            kwargs.update(instance_type=data["InstanceType"], is_instance_type_default=False)
        if not kwargs.get("metadata_options"):
            kwargs["metadata_options"] = data.get("MetadataOptions") or {}
    data |= _asked.get() or {}
    kind, zone = kwargs["instance_type"], _zone(backend, kwargs)
    market = _market(data, kwargs)
    place = data.get("Placement") or {}
    if place.get("AvailabilityZone") not in (None, zone):
        raise ApiError(
            "InvalidParameterValue",
            f"The placement names {place['AvailabilityZone']} and the subnet is in {zone}.",
        )
    group = None
    if place.get("GroupName") or place.get("GroupId"):
        group = placement.find(backend, place.get("GroupName"), place.get("GroupId"))
        placement.check_launch(backend, group, kind, zone)
    interfaces = kwargs.get("nics") or data.get("NetworkInterfaces") or []
    check_interfaces(kind, interfaces, bool(kwargs.get("security_group_ids") or data.get("SecurityGroupIds")))
    tenancy = place.get("Tenancy") or "default"
    reservation = reservations.choose(backend, data, market, kind, zone, tenancy)
    if reservation is None:
        _check_room(backend, faults, kind, market, zone, count)
    elif count > reservation.count - len(reservations.used_by(backend, reservation.id)):
        raise ApiError(
            "ReservationCapacityExceeded",
            "The requested reservation does not have sufficient compatible and available capacity for this "
            f"request: {count} instances are asked of {reservation.id}.",
        )
    ordered = sorted(interfaces, key=_position)
    kwargs["nics"] = [_primary(one) for one in ordered[:1]]
    kwargs.pop("instance_market_options", None)
    made = original(backend, image_id, count, *args, **kwargs)
    for instance in made.instances:
        instance.lifecycle = None if market == ON_DEMAND else market
        instance.placement.tenancy = tenancy
        instance.capacity_reservation_id = reservation.id if reservation else None
        instance.capacity_reservation_specification = data.get("CapacityReservationSpecification") or {
            "CapacityReservationPreference": "open"
        }
        if group is not None:
            instance.placement.group_name, instance.placement.group_id = group.name, group.id
        if ordered:
            _attach(backend, instance, ordered[0], ordered[1:])
    return made


def _zone(backend: Any, kwargs: dict[str, Any]) -> str:
    nics = kwargs.get("nics") or []
    subnet = kwargs.get("subnet_id") or next((nic["SubnetId"] for nic in nics if nic.get("SubnetId")), None)
    if subnet:
        return str(backend.get_subnet(subnet).availability_zone)
    return str(kwargs.get("placement") or f"{backend.region_name}a")


def _market(data: dict[str, Any], kwargs: dict[str, Any]) -> str:
    asked = kwargs.get("instance_market_options")
    named = asked if isinstance(asked, str) else (data.get("InstanceMarketOptions") or {}).get("MarketType")
    return str(named or ON_DEMAND)


def _check_room(backend: Any, faults: Faults, kind: str, market: str, zone: str, count: int) -> None:
    room = faults.room(kind, market, reservations.taken(backend))
    if room is None or count <= room:
        return
    if market == SPOT:
        raise ApiError(
            "InsufficientInstanceCapacity",
            f"There is no Spot capacity available that matches your request ({kind} in {zone}).",
        )
    raise ApiError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). "
        "Our system will be working on provisioning additional capacity.",
    )


def _position(interface: dict[str, Any]) -> tuple[int, int]:
    return int(interface.get("NetworkCardIndex") or 0), int(interface.get("DeviceIndex") or 0)


def check_interfaces(
    instance_type: str, interfaces: list[dict[str, Any]], groups_beside: bool = False
) -> None:
    """Refuses interfaces that the type's network cards cannot carry.

    Sources: the type's NetworkCards and EfaInfo in AWS's catalogue; EC2 user guide, "Elastic network
    interfaces" and "Elastic Fabric Adapter" (the primary one is device 0 of card 0 and no efa-only).
    """
    if not interfaces:
        return
    if groups_beside:
        raise ApiError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        )
    network = (catalogue.describe(instance_type) or {}).get("NetworkInfo", {})
    cards = {int(card["NetworkCardIndex"]): card for card in network.get("NetworkCards", [])}
    places = [_position(interface) for interface in interfaces]
    if len(places) != len(set(places)):
        raise ApiError("InvalidParameterValue", "Two network interfaces have the same card and device index.")
    if (0, 0) not in places:
        raise ApiError(
            "InvalidParameterCombination",
            "One network interface must be the primary one, of network card 0 and device index 0.",
        )
    for card in {card for card, _ in places}:
        most = cards.get(card, {}).get("MaximumNetworkInterfaces", 0)
        here = sum(place[0] == card for place in places)
        if here > most:
            raise ApiError(
                "InvalidParameterValue",
                f"{instance_type} takes {most} network interfaces on network card {card}, and {here} are asked "
                f"(it has {len(cards)} cards).",
            )
    _check_efa(instance_type, network, interfaces)


def _check_efa(instance_type: str, network: dict[str, Any], interfaces: list[dict[str, Any]]) -> None:
    kinds = [str(interface.get("InterfaceType") or "interface") for interface in interfaces]
    unknown = sorted(set(kinds) - {"interface", *EFA_KINDS})
    if unknown:
        raise ApiError(
            "InvalidParameterValue",
            f"The interface type {unknown[0]} is none of interface, efa and efa-only.",
        )
    wanted = sum(kind in EFA_KINDS for kind in kinds)
    most = network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
    if wanted > most:
        raise ApiError(
            "InvalidParameterCombination",
            f"{instance_type} takes {most} Elastic Fabric Adapters, and {wanted} are asked.",
        )
    for interface, kind in zip(interfaces, kinds, strict=True):
        if kind == "efa-only" and _position(interface) == (0, 0):
            raise ApiError(
                "InvalidParameterCombination",
                "The primary network interface cannot be efa-only, which has no IP address.",
            )


def _primary(interface: dict[str, Any]) -> dict[str, Any]:
    kept = ("SubnetId", "Groups", "Description", "AssociatePublicIpAddress", "PrivateIpAddress")
    # EC2's default for the primary interface; further ones stay unless the request says otherwise.
    return {
        "DeviceIndex": 0,
        "DeleteOnTermination": interface.get("DeleteOnTermination", True),
        **{name: interface[name] for name in kept if interface.get(name)},
    }


def _attach(backend: Any, instance: Any, first: dict[str, Any], further: list[dict[str, Any]]) -> None:
    primary = instance.nics[0]
    primary.interface_type = first.get("InterfaceType") or "interface"
    primary.network_card_index = 0
    primary.has_own_groups = True
    instance.security_groups = list(primary._group_set)
    for number, interface in enumerate(further, start=1):
        card, device = _position(interface)
        bare = interface.get("InterfaceType") == "efa-only"
        eni = backend.create_network_interface(
            primary.subnet,
            None if bare else primary.subnet.get_available_subnet_ip(instance=instance),
            group_ids=list(interface.get("Groups") or []),
            description=interface.get("Description") or "",
            delete_on_termination=bool(interface.get("DeleteOnTermination", False)),
        )
        if bare:
            eni.private_ip_address, eni.private_ip_addresses = None, []
        instance.attach_eni(eni, number)  # moto knows an instance's interfaces by this number alone
        eni.device_index = device
        eni.network_card_index = card
        eni.has_own_groups = True
        eni.interface_type = interface.get("InterfaceType") or "interface"
