"""Runs in LiteLLM's environment: its real proxy application with the sign-in in front. Prints one line of JSON for each
request: name, status, code or text."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MASTER = "sk-" + "m" * 24
CONFIG = """
model_list:
  - {model_name: chat, litellm_params: {model: openai/x, api_key: none, mock_response: hello}}
  - {model_name: other, litellm_params: {model: openai/x, api_key: none, mock_response: hello}}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}
"""


async def main(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG)
    os.environ |= {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": MASTER,
        "CONFIG_FILE_PATH": str(folder / "config.yaml"),
    }
    import httpx
    from bastide_gateway import sign_in
    from litellm.proxy import proxy_server

    from tests.gateway_guards import sign_in_issuer as issuing

    teams = {"research": SimpleNamespace(name="research", routes=("chat",)), "helpdesk": None}
    document: Any = SimpleNamespace(teams=teams)
    with issuing.issuing() as issuer:
        routes = folder / "routes.json"
        routes.write_text(
            json.dumps({"teams": {"research": {}, "helpdesk": {}}, "signIn": issuing.settings(issuer.url)})
        )
        async with proxy_server.app.router.lifespan_context(proxy_server.app):
            sign_in.install(proxy_server.app, routes, document)
            transport = httpx.ASGITransport(proxy_server.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:

                async def ask(
                    name: str, key: str | None, model: str = "chat", path: str = "/v1/chat/completions"
                ) -> None:
                    headers = {} if key is None else {"authorization": f"Bearer {key}"}
                    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
                    answer = await client.post(path, headers=headers, json=body)
                    print(json.dumps([name, answer.status_code, answer.text[:300]]), flush=True)  # noqa: T201

                await ask("good", issuing.token())
                await ask("other model", issuing.token(), "other")
                await ask("other key", issuing.token(issuing.OTHER_KEY))
                await ask("none", issuing.by_hand({"alg": "none", "kid": "rsa"}, issuing.claims(), None))
                await ask("no team", issuing.token(groups=[]))
                await ask("administration", issuing.token(), path="/key/generate")
                await ask("no key", None)
                await ask("master", MASTER)
                await ask("wrong key", "sk-wrong")


asyncio.run(main(Path(sys.argv[1])))
