"""The sandbox's own endpoints, under a path that no AWS request has.

| request | answer or effect |
|---|---|
| GET /_bastide/health | `{"ok": true}` |
| GET /_bastide/clusters | every cluster of every region, with all that a daemon needs to run it |
| POST /_bastide/clusters | `{region, name, status, endpoint, ca, version}`: ACTIVE, FAILED or DELETED |
| POST /_bastide/nodes | `{instances: [ids]}`: these instances' nodes have joined |
| POST /_bastide/drains | `{drained: [ids], refused: {id: why}}`: how draining of nodes goes |
| GET, PUT /_bastide/faults | the fault table (`faults.Faults`) |
| GET /_bastide/requests | calls by operation, and the latest refusals |
| GET /_bastide/instance-types/TYPE | `catalogue.facts` |
| POST /_bastide/capacity-blocks | `{region, id, endsIn}`: the block ends in so many seconds |
| POST /_bastide/buckets-of-others | `{region, name, account}`: another account takes the name, its bucket is open |
| POST /_bastide/reset | an empty account again, faults lifted |
"""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.aws import catalogue, identity, s3_owners
from sandbox.aws.ec2 import reservations
from sandbox.aws.eks import fleet, lifecycle, releases
from sandbox.aws.eks.store import Cluster, NodeGroup, Store
from sandbox.aws.errors import ApiError
from sandbox.aws.faults import FaultError
from sandbox.aws.runtime import Runtime

Answer = tuple[int, str, bytes]


class _BadRequestError(Exception):
    """Wrong input; the text says what is allowed."""


class Internal:
    """Answers requests under `/_bastide/`."""

    def __init__(self, runtime: Runtime, store: Store) -> None:
        self.runtime = runtime
        self.store = store

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Status, content type and body."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_bastide/").strip("/")
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            given = json.loads(environ["wsgi.input"].read(length)) if length else {}
            return _reply(*self._route(method, path, given))
        except (_BadRequestError, FaultError, ApiError, json.JSONDecodeError) as error:
            return _reply(400, {"error": str(error)})

    def _route(self, method: str, path: str, given: Any) -> tuple[int, Any]:
        head, _, rest = path.partition("/")
        match (method, head):
            case ("GET", "health"):
                return 200, {"ok": True}
            case ("GET", "clusters"):
                with self.runtime.lock:
                    return 200, {"clusters": [_cluster(cluster) for cluster in self.store.clusters.values()]}
            case ("POST", "clusters"):
                return self._report_cluster(given)
            case ("POST", "nodes"):
                return self._report_nodes(given)
            case ("POST", "drains"):
                return self._report_drains(given)
            case ("GET", "faults"):
                return 200, self.runtime.faults.document()
            case ("PUT", "faults"):
                self.runtime.faults.replace(given)
                return 200, self.runtime.faults.document()
            case ("POST", "capacity-blocks"):
                with self.runtime.lock:
                    reservations.move_block(
                        given.get("region", ""), given.get("id", ""), given.get("endsIn", 0)
                    )
                return 200, {}
            case ("POST", "buckets-of-others"):
                with self.runtime.lock:
                    s3_owners.make_for_other(given["name"], given["region"], given["account"])
                return 200, {}
            case ("GET", "requests"):
                return 200, self.runtime.journal.document()
            case ("GET", "instance-types"):
                found = catalogue.facts(rest)
                return (
                    (200, found)
                    if found
                    else (404, {"error": f"AWS's catalogue has no instance type {rest!r}"})
                )
            case ("POST", "reset"):
                self.reset()
                return 200, {}
            case _:
                return 404, {"error": f"no {method} /_bastide/{path}"}

    def reset(self) -> None:
        """Empties the account and lifts every fault."""
        from moto.moto_api._internal.models import moto_api_backend

        with self.runtime.lock:
            self.store.clusters.clear()
            moto_api_backend.reset()
            identity.create_people()
            self.runtime.faults.replace({})
            self.runtime.journal.clear()

    def _report_cluster(self, given: dict[str, Any]) -> tuple[int, Any]:
        status = given.get("status")
        if status not in ("ACTIVE", "FAILED", "DELETED"):
            raise _BadRequestError(f"status is {status!r}; allowed: ACTIVE, FAILED, DELETED")
        with self.runtime.lock:
            cluster = self.store.clusters.get((given.get("region", ""), given.get("name", "")))
            if cluster is None:
                return 404, {"error": f"no cluster {given.get('name')!r} in {given.get('region')!r}"}
            if status == "DELETED":
                lifecycle.remove(self.store, cluster)
            elif status == "FAILED":
                if cluster.status == "CREATING":  # one that is being deleted meanwhile goes on being deleted
                    cluster.status = "FAILED"
            elif not given.get("endpoint") or not given.get("ca"):
                raise _BadRequestError("an ACTIVE cluster has an endpoint and a ca (PEM, or base64 of it)")
            else:
                ca = given["ca"]
                encoded = base64.b64encode(ca.encode()).decode() if ca.startswith("-----BEGIN") else ca
                lifecycle.ready(cluster, given["endpoint"], encoded)
                if cluster.target is not None and given.get("version") == cluster.target:
                    lifecycle.updated(cluster)
        return 200, {}

    def _report_nodes(self, given: dict[str, Any]) -> tuple[int, Any]:
        joined = given.get("instances")
        if not isinstance(joined, list):
            raise _BadRequestError('give {"instances": [instance ids]}')
        known: list[str] = []
        with self.runtime.lock:
            for cluster in self.store.clusters.values():
                for group in cluster.nodegroups.values():
                    here = [i for i in joined if i in group.instances]
                    group.joined.update(here)
                    known += here
        return 200, {"known": known, "unknown": sorted(set(joined) - set(known))}

    def _report_drains(self, given: dict[str, Any]) -> tuple[int, Any]:
        drained, refused = given.get("drained") or [], given.get("refused") or {}
        with self.runtime.lock:
            for cluster in self.store.clusters.values():
                for group in cluster.nodegroups.values():
                    for instance_id, entry in group.drains.items():
                        entry.done = entry.done or instance_id in drained
                        entry.refusal = refused.get(instance_id, entry.refusal)
        return 200, {}


def _reply(status: int, document: Any) -> Answer:
    return status, "application/json", json.dumps(document).encode()


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return {
        "region": cluster.region,
        "name": cluster.name,
        "arn": cluster.arn,
        "status": cluster.status,
        "version": cluster.version,
        "targetVersion": cluster.target,
        "endpoint": cluster.endpoint,
        "authenticationMode": cluster.access_config["authenticationMode"],
        "bootstrapSelfManagedAddons": cluster.request.get("bootstrapSelfManagedAddons", True),
        "vpcId": cluster.vpc_config["vpcId"],
        "subnetIds": cluster.vpc_config["subnetIds"],
        "oidcIssuer": f"https://oidc.eks.{cluster.region}.amazonaws.com/id/{cluster.oidc_id}",
        "accessEntries": [
            {
                "principalArn": entry.principal_arn,
                "type": entry.type,
                "username": entry.username,
                "kubernetesGroups": entry.groups,
                "policies": [
                    {"policyArn": arn, **policy["accessScope"]} for arn, policy in entry.policies.items()
                ],
            }
            for entry in cluster.access.values()
        ],
        "podIdentityAssociations": [
            {"id": a.id, "namespace": a.namespace, "serviceAccount": a.service_account, "roleArn": a.role_arn}
            for a in cluster.associations.values()
        ],
        "addons": [
            {"name": a.name, "version": a.version, "status": a.status} for a in cluster.addons.values()
        ],
        "nodegroups": [_nodegroup(cluster, group) for group in cluster.nodegroups.values()],
    }


def _nodegroup(cluster: Cluster, group: NodeGroup) -> dict[str, Any]:
    found, present = fleet.instances(cluster, group), group.present()
    return {
        "name": group.name,
        "arn": group.arn,
        "status": group.status,
        "version": group.version,
        "capacityType": group.request.get("capacityType") or "ON_DEMAND",
        "nodeRole": group.request["nodeRole"],
        "labels": group.labels,
        "taints": group.taints,
        "scaling": group.scaling,
        "instances": [
            {
                "id": instance.id,
                "type": instance.instance_type,
                "zone": instance.availability_zone,
                "privateIp": instance.private_ip_address,
                "privateDns": instance.private_dns_name,
                "subnet": instance.subnet_id,
                "imageId": instance.image_id,
                "state": instance.state,
                "joined": instance.id in group.joined,
                "version": born.version,
                "kubelet": releases.kubelet(born.release_version, born.version),
                "template": list(born.template) if born.template else None,
                "drain": instance.id in group.drains,
                "cordon": instance.id in group.drains or (group.cordoned and born != present),
            }
            for instance in found
            for born in (group.instances[instance.id],)
        ],
    }
