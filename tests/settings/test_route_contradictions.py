"""Routes, data classes and teams that contradict themselves, from a table: each is refused by a message of its own at
its own path, and by no other."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError
from tests.routing.routing_samples import HOSTED, LOOSE, OWN, ROUTES, TEAMS, hosted, raw, sample

Raw = dict[str, Any]
Change = Callable[[Raw], object]


def route(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["routes"][index].update(changes)


def fallbacks(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["routes"][index].setdefault("fallbacks", {}).update(changes)


def provider(index: int, **changes: Any) -> Change:
    return lambda stack: stack["hosted"][index].update(changes)


def classes(name: str, **changes: Any) -> Change:
    return lambda stack: stack["dataClasses"].setdefault(name, {}).update(changes)


def team(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["teams"][index].update(changes)


def engine(**changes: Any) -> Change:
    return lambda stack: stack["engines"][0].update(changes)


def several(*changes: Change) -> Change:
    def change(stack: Raw) -> None:
        for each in changes:
            each(stack)

    return change


def more(key: str, item: Raw) -> Change:
    return lambda stack: stack[key].append(item)


def unpriced(stack: Raw) -> None:
    del stack["engines"][0]["price"]
    stack["pools"][0]["capacity"] = {"kind": "spot", "onDemandFallback": 2}


def far(stack: Raw) -> None:
    """A region for which no price of the machine is known."""
    del stack["engines"][0]["price"]
    stack["engines"][1]["price"] = OWN
    stack["cloud"]["region"] = "us-east-2"
    stack["network"]["zones"] = ["us-east-2a", "us-east-2b", "us-east-2c"]
    for each in stack["dataClasses"].values():
        each["regions"] = [*each["regions"], "us-east-2"]


def without(key: str, index: int, inner: str) -> Change:
    return lambda stack: stack[key][index].pop(inner)


TABLE: list[tuple[str, Change, str, str]] = [
    (
        "a fallback that no class may use",
        fallbacks(2, outage=["secret"]),
        "routes[2].fallbacks.outage[0]",
        "'secret' is not one of bastide:routes",
    ),
    (
        "a fallback that a promised class forbids",
        route(0, classes=["public", "regulated"]),
        "routes[0].fallbacks.outage[0]",
        "may not be used by regulated data",
    ),
    (
        "a fallback that every class forbids",
        several(
            fallbacks(0, outage=[]),
            route(1, classes=["confidential"], deployments=[{"name": "haiku"}]),
            fallbacks(1, outage=["plain"]),
            more("routes", {"name": "plain", "classes": ["public"], "deployments": [{"name": "turbo"}]}),
        ),
        "routes[1].fallbacks.outage[0]",
        "which 'small' serves",
    ),
    (
        "a circle",
        fallbacks(1, outage=["chat"]),
        "routes[0].fallbacks.outage",
        "chat -> small -> chat",
    ),
    (
        "other routes at a rate limit than in an outage",
        fallbacks(0, rateLimit=["long"]),
        "routes[0].fallbacks.rateLimit",
        "LiteLLM 1.106 follows one list for both",
    ),
    (
        "a circle over outage and rate limit",
        fallbacks(1, rateLimit=["chat"]),
        "routes[0].fallbacks.outage",
        "goes in a circle",
    ),
    (
        "a route that falls back to itself",
        fallbacks(3, contentPolicy=["lenient"]),
        "routes[3].fallbacks.contentPolicy",
        "lenient -> lenient",
    ),
    (
        "a fallback twice",
        fallbacks(0, outage=["small", "small"]),
        "routes[0].fallbacks.outage[1]",
        "is named before",
    ),
    (
        "text instead of vectors",
        fallbacks(0, outage=["embed"]),
        "routes[0].fallbacks.outage[0]",
        "one answers in text",
    ),
    (
        "a queue instead of an answer",
        fallbacks(0, outage=["night"]),
        "routes[0].fallbacks.outage[0]",
        "is a batch route",
    ),
    (
        "vectors of another model",
        several(
            more("routes", {"name": "embed2", "kind": "embedding", "deployments": [{"name": "vectors"}]}),
            fallbacks(4, outage=["embed2"]),
        ),
        "routes[4].fallbacks.outage[0]",
        "whose vectors cannot be compared",
    ),
    (
        "two models behind one index",
        route(4, deployments=[{"name": "embed"}, {"name": "vectors", "order": 2}]),
        "routes[4].deployments[1].name",
        "vectors of two models",
    ),
    (
        "an embedding route over an engine that writes",
        route(4, deployments=[{"name": "chat"}]),
        "routes[4].deployments[0].name",
        "gives text (runner generate)",
    ),
    (
        "a chat route over an engine that embeds",
        route(5, deployments=[{"name": "embed"}]),
        "routes[5].deployments[0].name",
        "gives vectors (runner embed)",
    ),
    (
        "users on an engine of the batch lane",
        engine(lane="batch"),
        "routes[0].deployments[0].name",
        "is an engine of the batch lane",
    ),
    (
        "a longer route that is no longer",
        fallbacks(2, contextTooLong=["small"]),
        "routes[2].fallbacks.contextTooLong[0]",
        "takes no more: 128,000 tokens",
    ),
    (
        "no price on Spot",
        unpriced,
        "routes[0].deployments[0].name",
        "Spot prices move by the hour",
    ),
    (
        "no price in the region",
        far,
        "routes[0].deployments[0].name",
        "no dated price of g6e.xlarge is known in us-east-2",
    ),
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
        "tries beyond the client's time",
        route(5, clientTimeoutSeconds=400),
        "routes[5].clientTimeoutSeconds",
        "3 tries of 60 s with their pauses, 300 s in the queue",
    ),
    (
        "fallbacks beyond the client's time",
        route(0, clientTimeoutSeconds=30),
        "routes[0].clientTimeoutSeconds",
        "for each order, 18 s of fallbacks",
    ),
    (
        "a first token later than the end",
        route(0, firstTokenSeconds=5),
        "routes[0].firstTokenSeconds",
        "is more than timeoutSeconds 4",
    ),
    (
        "an unknown deployment",
        route(3, deployments=[{"name": "azur"}]),
        "routes[3].deployments[0].name",
        "did you mean 'azure'?",
    ),
    (
        "an unknown adapter",
        route(3, deployments=[{"name": "azure", "adapter": "sql"}]),
        "routes[3].deployments[0].adapter",
        "is no adapter of 'azure'",
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
    (
        "weights of nothing",
        route(3, deployments=[{"name": "azure", "weight": 0}]),
        "routes[3].deployments",
        "of order 1 are 0",
    ),
    (
        "a deployment twice",
        route(3, deployments=[{"name": "azure"}, {"name": "azure", "order": 2}]),
        "routes[3].deployments[1].name",
        "is deployments[0] too",
    ),
    ("a route twice", route(5, name="embed"), "routes[5].name", "is the name of routes[4] too"),
    (
        "a hosted deployment twice",
        more("hosted", hosted("mini")),
        "hosted[7].name",
        "is the name of hosted[0] too",
    ),
    (
        "a hosted deployment with an engine's name",
        more("hosted", hosted("chat")),
        "hosted[7].name",
        "is the name of engines[0] too",
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
    ("an @ in a name", route(5, name="night@public"), "routes[5].name", "'@' separates route and class"),
    ("a reserved name", route(3, name="all-proxy-models") , "routes[3].name", "means something else"),
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
        "a queue without an end",
        route(0, queue={"whenFull": "wait"}),
        "routes[0].queue.maxParallel",
        "is missing while queue.whenFull is 'wait'",
    ),
    (
        "a batch route that does not queue",
        route(5, queue={"maxParallel": 4}),
        "routes[5].queue.whenFull",
        "in a batch route, which is a queue",
    ),
    (
        "an answer longer than anybody can give",
        route(3, limits={"maxOutputTokens": 200_000}),
        "routes[3].limits.maxOutputTokens",
        "is more than any deployment of the route takes",
    ),
    (
        "an answer of an embedding",
        route(4, limits={"maxOutputTokens": 16}),
        "routes[4].limits.maxOutputTokens",
        "an embedding has none",
    ),
    (
        "no retention, and training",
        provider(4, agreement={**LOOSE, "zeroRetention": True, "trainsOnData": True}),
        "hosted[4].agreement.trainsOnData",
        "who keeps nothing cannot train on it",
    ),
    ("a region that OpenAI lacks", provider(0, region="us-west"), "hosted[0].region", "is no region of OpenAI's"),
    ("a hosted deployment of no kind", without("hosted", 6, "kind"), "hosted[6].kind", "is required"),
    ("a hosted deployment of another kind", provider(6, kind="openai"), "hosted[6].kind", "did you mean 'openAi'?"),
    ("a hosted deployment without a price", without("hosted", 6, "price"), "hosted[6].price", "is required"),
    (
        "a price that is none",
        provider(6, price={"inputPerMillion": -1, "outputPerMillion": 1, "source": "page", "read": "2026-01-01"}),
        "hosted[6].price.inputPerMillion",
        "is not an amount of money",
    ),
    (
        "an agreement of no day",
        provider(6, agreement={**LOOSE, "date": "soon"}),
        "hosted[6].agreement.date",
        "is not a day",
    ),
    (
        "a key in an address",
        provider(5, url="https://user:key@llm.example.com/v1"),
        "hosted[5].url",
        "without user, password or query",
    ),
    (
        "a budget of another time",
        team(0, budget={"usd": 1, "duration": "fortnight"}),
        "teams[0].budget.duration",
        "is not a duration",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_contradiction_is_refused_by_its_own_message(change: Change, path: str, says: str) -> None:
    stack = copy.deepcopy(raw())
    change(stack)
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    found = [(problem.path, problem.message) for problem in caught.value.problems]
    assert path in [each for each, _ in found], found
    assert any(says in message for where, message in found if where == path), found
    # What follows from it may be told too, and nothing else.
    assert all(where == path or where.split(".")[0].startswith(("routes", "teams")) for where, _ in found), (
        found
    )


def test_no_two_rows_share_a_message() -> None:
    assert len({(path, says) for _, _, path, says in TABLE}) == len(TABLE)


def test_the_stack_of_these_tests_has_no_mistake() -> None:
    found = sample()
    assert [each.name for each in found.routes] == [each["name"] for each in ROUTES]
    assert [each.name for each in found.hosted] == [each["name"] for each in HOSTED]
    assert [each.name for each in found.teams] == [each["name"] for each in TEAMS]


def test_mistakes_of_several_hosted_deployments_are_told_at_once() -> None:
    stack = raw()
    stack["hosted"][0]["region"] = "US"
    stack["hosted"][1]["price"]["read"] = "x"
    stack["routes"][0]["deployments"][0]["name"] = "nobody"
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    paths = [each.path for each in caught.value.problems]
    assert {"hosted[0].region", "hosted[1].price.read", "routes[0].deployments[0].name"} <= set(paths)


def test_plain_http_is_for_sandboxes_only() -> None:
    stack = raw()
    stack["hosted"][5]["url"] = "http://127.0.0.1:9000/v1"
    Settings.load(stack)
    stack["environment"] = "dev"
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    assert "hosted[5].url" in [each.path for each in caught.value.problems]


def test_a_class_that_is_given_in_part_keeps_the_rest_of_its_own_default() -> None:
    stack = raw()
    stack["dataClasses"]["regulated"] = {"retentionDays": 90}
    found = Settings.load(stack).data_classes
    assert (found.regulated.hosted, found.regulated.cache, found.regulated.guards) == (
        "never",
        False,
        ("pii",),
    )
    assert found.regulated.retention_days == 90
    assert (found.confidential.hosted, found.public.cache) == ("zeroRetention", True)
