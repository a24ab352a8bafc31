"""Where moto's RDS is looser than AWS's, and what it takes and does not show. `apply` is called once at start."""

from __future__ import annotations

import json
import secrets
from functools import wraps
from typing import Any, Final

NEWEST_MINOR: Final = {"16": "16.15", "17": "17.11", "18": "18.6"}
"""What RDS makes of a major version alone: here the newest minor one in AWS's list (cfn-lint's schemas); RDS takes its
own default, which may be an earlier one."""


def apply() -> None:
    """Puts the patches in force."""
    from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend
    from moto.rds.responses import RDSResponse

    MasterUserSecret._generate_secret_string = _administrator
    _show_more(DBInstance)
    _hold_groups(RDSBackend)
    _reset(RDSResponse)


def _administrator(self: Any) -> str:
    # moto gives every administrator the same name and password.
    return json.dumps({"username": self.resource.master_username, "password": secrets.token_urlsafe(24)})


def _show_more(instance: Any) -> None:
    original, change = instance.__init__, instance.update

    def insights(self: Any, given: dict[str, Any]) -> None:
        if "enable_performance_insights" in given:
            self.performance_insights_enabled = given["enable_performance_insights"]
        for name in ("performance_insights_kms_key_id", "performance_insights_retention_period"):
            if name in given:
                setattr(self, name, given[name])

    @wraps(original)
    def init(self: Any, backend: Any, **kwargs: Any) -> None:
        version = kwargs.get("engine_version")
        if kwargs.get("engine") == "postgres" and version in NEWEST_MINOR:
            kwargs["engine_version"] = NEWEST_MINOR[version]
        original(self, backend, **kwargs)
        # moto gives every instance the same.
        self.dbi_resource_id = "db-" + _letters(self.db_instance_identifier)
        insights(self, kwargs)

    @wraps(change)
    def update(self: Any, **kwargs: Any) -> None:
        version = kwargs.get("engine_version")
        if self.engine == "postgres" and version in NEWEST_MINOR:
            major = self.engine_version.split(".")[0]
            if int(version) < int(major):
                raise _refusal(
                    "InvalidParameterCombination",
                    f"Cannot upgrade postgres from {self.engine_version} to {version}",
                )
            kwargs["engine_version"] = NEWEST_MINOR[version] if version != major else self.engine_version
        insights(self, kwargs)
        change(self, **kwargs)

    instance.__init__, instance.update = init, update


def _letters(name: str) -> str:
    import base64
    import hashlib

    return base64.b32encode(hashlib.sha256(name.encode()).digest())[:26].decode()


def _refusal(code: str, message: str) -> Exception:
    from moto.rds.exceptions import RDSClientError

    found: Exception = RDSClientError(code, message)
    return found


def _hold_groups(backend: Any) -> None:
    # RDS refuses to delete a group that an instance has.
    subnets, parameters = backend.delete_subnet_group, backend.delete_db_parameter_group

    @wraps(subnets)
    def delete_subnet_group(self: Any, subnet_name: str) -> Any:
        for each in self.databases.values():
            group = getattr(each, "db_subnet_group", None)
            if group is not None and group.name == subnet_name:
                raise _refusal(
                    "InvalidDBSubnetGroupStateFault",
                    f"Cannot delete the subnet group '{subnet_name}' because at least one database instance: "
                    f"{each.db_instance_identifier} is still using it.",
                )
        return subnets(self, subnet_name)

    @wraps(parameters)
    def delete_db_parameter_group(self: Any, name: str) -> Any:
        if any(each.db_parameter_group_name == name for each in self.databases.values()):
            raise _refusal(
                "InvalidDBParameterGroupState",
                "One or more database instances are still members of this group.",
            )
        return parameters(self, name)

    backend.delete_subnet_group, backend.delete_db_parameter_group = (
        delete_subnet_group,
        delete_db_parameter_group,
    )
    _miss_groups(backend)


def _miss_groups(backend: Any) -> None:
    # Asked for a group by name, RDS says that it is not there; moto answers with an empty list.
    original = backend.describe_db_parameter_groups

    @wraps(original)
    def describe(self: Any, wanted: dict[str, Any]) -> Any:
        found = original(self, wanted)
        name = wanted.get("db_parameter_group_name")
        if name and not found:
            raise _refusal("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
        return found

    backend.describe_db_parameter_groups = describe


def _reset(responses: Any) -> None:
    def reset_db_parameter_group(self: Any) -> Any:
        from moto.core.responses import ActionResult

        name = self.params["DBParameterGroupName"]
        (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})
        for each in self.params.get("Parameters", []):
            group.parameters.pop(each["ParameterName"], None)
        if self.params.get("ResetAllParameters"):
            group.parameters.clear()
        return ActionResult({"DBParameterGroupName": name})

    responses.reset_db_parameter_group = reset_db_parameter_group
