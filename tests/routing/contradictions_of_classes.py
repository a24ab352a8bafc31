"""Classes of data, and teams and guards, that a route or each other contradict."""

from __future__ import annotations

from tests.routing.route_changes import Row, classes, provider, route, several, team
from tests.routing.routing_samples import LOOSE

TABLE: list[Row] = [
    (
        "a hosted-only route for regulated data",
        route(3, classes=["public", "regulated"]),
        "routes[3].classes[1]",
        "every deployment of the route is hosted, and 'azure': regulated data goes to no hosted deployment",
    ),
    (
        "a class that no agreement covers",
        route(2, classes=["public", "confidential"], deployments=[{"name": "flash"}]),
        "routes[2].classes[1]",
        "the agreement does not cover confidential data",
    ),
    (
        "a route that nobody may use",
        provider(3, region="westeurope"),
        "routes[3].deployments",
        "no class of data may use any of them",
    ),
    (
        "an unknown guard of a class",
        classes("public", guards=["pi"]),
        "dataClasses.public.guards[0]",
        "did you mean 'pii'?",
    ),
    (
        "an unknown guard of a route",
        route(4, guards=["toxicity"]),
        "routes[4].guards[0]",
        "'toxicity' is not one of bastide:guards",
    ),
    (
        "an unknown route of a team",
        team(0, routes=["chat", "embd"]),
        "teams[0].routes[1]",
        "did you mean 'embed'?",
    ),
    (
        "a team whose class cannot use a route",
        team(1, routes=["chat", "long"]),
        "teams[1].routes[1]",
        "regulated data, the class of a team that names none,",
    ),
    (
        "a team that raised its own class too far",
        team(0, dataClass="confidential", routes=["small"]),
        "teams[0].routes[0]",
        "the agreement does not cover confidential data",
    ),
    ("a team twice", team(1, name="research"), "teams[1].name", "is the name of teams[0] too"),
    ("a team's route twice", team(0, routes=["chat", "chat"]), "teams[0].routes[1]", "is named before"),
    (
        "a guard twice",
        lambda stack: stack.update(
            guards=[{"name": "pii", "module": "bastide_gateway.guards.pii"}] * 2
        ),
        "guards[1].name",
        "is the name of guards[0] too",
    ),
    (
        "a higher class that is laxer",
        classes("confidential", hosted="any"),
        "dataClasses.confidential.hosted",
        "is laxer than 'noTraining' of internal",
    ),
    (
        "regulated answers that are kept",
        several(classes("confidential", cache=True), classes("regulated", cache=True)),
        "dataClasses.regulated.cache",
        "true is not allowed",
    ),
    (
        "a higher class that keeps more",
        several(classes("internal", cache=False), classes("confidential", cache=True)),
        "dataClasses.confidential.cache",
        "true is laxer than false of internal",
    ),
    (
        "a higher class with more regions",
        classes("regulated", regions=["us-east-1", "eu"]),
        "dataClasses.regulated.regions",
        "eu is open to regulated data and not to confidential",
    ),
    (
        "a cache that no class allows",
        route(0, classes=["confidential"], cache={"enabled": True}, fallbacks={}),
        "routes[0].cache.enabled",
        "true has no effect",
    ),
    (
        "no retention, and training",
        provider(4, agreement={**LOOSE, "zeroRetention": True, "trainsOnData": True}),
        "hosted[4].agreement.trainsOnData",
        "who keeps nothing cannot train on it",
    ),
    (
        "a budget of another time",
        team(0, budget={"usd": 1, "duration": "fortnight"}),
        "teams[0].budget.duration",
        "is not a duration",
    ),
]  # fmt: skip
