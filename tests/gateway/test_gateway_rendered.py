"""What `bastide plan routes` renders is what the package takes: the two sides of one contract."""

from __future__ import annotations

import json

import yaml
from bastide_gateway import config_check, document

from bastide.plans.routing import document as routes
from bastide.plans.routing import litellm_config
from tests.routing.routing_samples import sample


def test_the_rendered_files_are_taken() -> None:
    settings = sample()
    table = document.parse(json.loads(routes.rendered(settings)))
    config_check.check(yaml.safe_load(litellm_config.rendered(settings)), table)
    assert table.routes["chat"].limits.max_output_tokens == 256
    assert table.routes["night"].max_parallel == 4
    assert table.teams["research"].rpm == 600
    assert table.teams["clinic"].data_class == "regulated"
    assert table.routes["chat"].fallbacks["public"]["outage"] == ("small@public",)
    assert table.reachable(table.routes["chat"], "public") >= {"chat", "near", "mini", "flash", "azure"}


def test_every_deployment_that_may_answer_has_a_price() -> None:
    settings = sample()
    table = document.parse(json.loads(routes.rendered(settings)))
    for route in table.routes.values():
        for data_class in route.groups:
            for name in table.reachable(route, data_class):
                assert table.deployments[name].input_price > 0
