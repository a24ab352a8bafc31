"""The private CA: objects of `bastide.plans.private_ca`, so ordered that nobody can use an unguarded root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide.plans import private_ca
from bastide.settings import Settings

_ADMISSION: Final = {
    "ValidatingAdmissionPolicy": kubernetes.admissionregistration.v1.ValidatingAdmissionPolicy,
    "ValidatingAdmissionPolicyBinding": kubernetes.admissionregistration.v1.ValidatingAdmissionPolicyBinding,
}


class CertificateAuthority(pulumi.ComponentResource):
    """Roots, an authority for each namespace that may ask, and the policies between them. The definitions of
    cert-manager must be there: `opts` waits for its release."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:certificates:CertificateAuthority", name, None, opts)
        self._name = name
        guards = [self._guard(each) for each in private_ca.policies()]
        roots = [self._custom(each, "root", guards) for each in private_ca.roots(settings)]
        for purpose in private_ca.MAY_ASK:
            for each in private_ca.authority(settings, purpose):
                self._custom(each, purpose, roots)
        self.register_outputs({})

    def _guard(self, item: dict[str, Any]) -> pulumi.Resource:
        metadata = item["metadata"]
        kind = "binding" if item["kind"].endswith("Binding") else "policy"
        made: pulumi.Resource = _ADMISSION[item["kind"]](
            f"{self._name}-{kind}-{metadata['name']}",
            metadata=metadata,
            spec=item["spec"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made

    def _custom(self, item: dict[str, Any], where: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        metadata = item["metadata"]
        made: pulumi.Resource = kubernetes.apiextensions.CustomResource(
            f"{self._name}-{where}-{item['kind'].lower()}-{metadata['name']}",
            api_version=item["apiVersion"],
            kind=item["kind"],
            metadata=metadata,
            spec=item["spec"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
        return made
