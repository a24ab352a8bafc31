"""Routes, and what stands behind them: engines, hosted models, their prices, queues and bounds."""

from __future__ import annotations

from tests.routing.route_changes import Row, edge, engine, more, provider, route, several, without
from tests.routing.routing_samples import LOOSE, OWN, Raw, hosted


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


TABLE: list[Row] = [
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
    ("an @ in a name", route(5, name="night@public"), "routes[5].name", "'@' separates route and class"),
    ("a reserved name", route(3, name="all-proxy-models") , "routes[3].name", "means something else"),
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
        "a client that waits longer than any load balancer",
        several(route(5, clientTimeoutSeconds=7200), edge()),
        "routes[5].clientTimeoutSeconds",
        "is not below the 4000 s for which the load balancer waits",
    ),
    (
        "a client that waits as long as the load balancer",
        several(route(5, clientTimeoutSeconds=3600), edge(idleTimeoutSeconds=3600)),
        "routes[5].clientTimeoutSeconds",
        "or raise edge.idleTimeoutSeconds",
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
]  # fmt: skip
