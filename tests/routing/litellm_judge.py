"""Run by LiteLLM's own interpreter: what the real LiteLLM makes of a rendered config.yaml. Writes JSON.

Every key must be one that this LiteLLM knows, the router must take every deployment, and requests must go where the
table says. Providers are local servers that record what they are asked."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import litellm
import yaml
from aiohttp import web
from litellm import constants
from litellm.proxy._types import ConfigGeneralSettings, ConfigYAML
from litellm.types.router import LiteLLM_Params, ModelInfo

SOURCE = Path(litellm.__file__).parent
TOO_LONG = (
    "This model's maximum context length is 512 tokens. However, you requested 16 output tokens and your prompt "
    "contains at least 497 input tokens, for a total of at least 513 tokens. Please reduce the length of the input "
    "prompt or the number of requested output tokens."
)
"""As vLLM 0.32 says it (vllm/renderers/params.py)."""
POLICY = {"code": "content_policy_violation", "message": "refused", "type": "invalid_request_error"}


def source(*names: str) -> str:
    return "\n".join((SOURCE / name).read_text() for name in names)


def unknown_keys(config: dict[str, Any]) -> dict[str, list[str]]:
    """Keys that nothing in this LiteLLM reads, by section."""
    hooks = "proxy/hooks/proxy_track_cost_callback.py"
    proxy = source("proxy/proxy_server.py", "proxy/utils.py", hooks, *auth_files())
    routing = source(
        "router.py", "router_strategy/simple_shuffle.py", "router_utils/cooldown_handlers.py", "utils.py"
    )
    general = set(ConfigGeneralSettings.model_fields)
    params, info = set(LiteLLM_Params.model_fields), set(ModelInfo.model_fields)

    def read_in(text: str, key: str) -> bool:
        return f'"{key}"' in text

    return {
        "general_settings": [
            key for key in config["general_settings"] if key not in general and not read_in(proxy, key)
        ],
        "litellm_settings": [key for key in config["litellm_settings"] if not hasattr(litellm, key)],
        "router_settings": [
            key for key in config["router_settings"] if key not in litellm.Router.get_valid_args()
        ],
        "litellm_params": sorted(
            {
                key
                for each in config["model_list"]
                for key in each["litellm_params"]
                if key not in params and not read_in(routing, key)
            }
        ),
        "model_info": sorted(
            {
                key
                for each in config["model_list"]
                for key in each["model_info"]
                if key != "bastide" and key not in info and not read_in(routing, key)
            }
        ),
    }


def planted(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with one key in each section that no LiteLLM has: the judge must find them."""
    found = {key: {**value, "bastide_planted": 1} for key, value in config.items() if key != "model_list"}
    models = [
        {
            **each,
            **{key: {**each[key], "bastide_planted": 1} for key in ("litellm_params", "model_info")},
        }
        for each in config["model_list"]
    ]
    return {**found, "model_list": models}


def auth_files() -> list[str]:
    return [str(each.relative_to(SOURCE)) for each in sorted((SOURCE / "proxy").rglob("*.py"))]


class Providers:
    """Local servers, one for each deployment; `behaviour` says what each answers."""

    def __init__(self) -> None:
        self.behaviour: dict[str, str] = {}
        self.asked: list[str] = []
        self.urls: dict[str, str] = {}

    async def start(self, names: list[str]) -> None:
        for name in names:
            app = web.Application()
            app.router.add_post("/{tail:.*}", self.handler(name))
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.urls[name] = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"  # type: ignore[union-attr]

    def handler(self, name: str) -> Any:
        async def handle(request: web.Request) -> web.Response:
            body = await request.json()
            self.asked.append(name)
            match self.behaviour.get(name, "ok"):
                case "error":
                    return web.json_response({"error": {"message": "broken"}}, status=500)
                case "busy":
                    return web.json_response({"error": {"message": "too many requests"}}, status=429)
                case "hang":
                    await asyncio.sleep(30)
                case "long":
                    return web.json_response(
                        {
                            "error": {
                                "message": TOO_LONG,
                                "type": "BadRequestError",
                                "param": "input_tokens",
                                "code": 400,
                            }
                        },
                        status=400,
                    )
                case "policy":
                    return web.json_response({"error": POLICY}, status=400)
            usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
            message = {"role": "assistant", "content": name}
            return web.json_response(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": body["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": usage,
                }
            )

        return handle


def router(config: dict[str, Any], urls: dict[str, str]) -> litellm.Router:
    """The router of the configuration; with `urls`, each deployment at its local server."""
    models = []
    for each in config["model_list"]:
        name = each["model_info"]["bastide"]["deployment"]
        params = {**each["litellm_params"]}
        if urls:
            # Hosted providers all speak OpenAI's language here: what is judged is where requests go.
            keep = {k: v for k, v in params.items() if not k.startswith(("vertex_", "aws_", "api_"))}
            hosted = each["model_info"]["bastide"]["hosting"] == "hosted"
            model = "openai/local" if hosted else params["model"]
            params = {**keep, "model": model, "api_base": urls[name], "api_key": "local"}
        models.append({**each, "litellm_params": params})
    return litellm.Router(model_list=models, ignore_invalid_deployments=True, **config["router_settings"])


async def ask(made: litellm.Router, group: str) -> dict[str, Any]:
    started = time.monotonic()
    try:
        answer = await made.acompletion(model=group, messages=[{"role": "user", "content": "hello"}])
    except Exception as error:
        found: dict[str, Any] = {"error": type(error).__name__}
    else:
        hidden = answer._hidden_params
        found = {
            "answer": answer.choices[0].message.content,
            "id": hidden["model_id"].partition("#")[0],
            "cost": hidden["response_cost"],
        }
    return {**found, "seconds": time.monotonic() - started}


async def prepare(
    number: int, config: dict[str, Any], each: dict[str, Any]
) -> tuple[Providers, litellm.Router]:
    providers = Providers()
    await providers.start(deployments(config))
    providers.behaviour = each["down"]
    # Every router of a process hears of every failure, and cools what has that id: ids of each scenario's own.
    models = [
        {**model, "model_info": {**model["model_info"], "id": f"{model['model_info']['id']}#{number}"}}
        for model in config["model_list"]
    ]
    return providers, router({**config, "model_list": models}, providers.urls)


async def scenario(each: dict[str, Any], providers: Providers, made: litellm.Router) -> dict[str, Any]:
    results = []
    for _ in range(each.get("times", 1)):
        before = len(providers.asked)
        found = await ask(made, each["group"])
        found["asked"] = providers.asked[before:]
        results.append(found)
    return {"results": results, "asked": dict(Counter(providers.asked))}


def deployments(config: dict[str, Any]) -> list[str]:
    return sorted({each["model_info"]["bastide"]["deployment"] for each in config["model_list"]})


async def main() -> None:
    config = yaml.safe_load(Path(sys.argv[1]).read_text())
    scenarios = json.loads(Path(sys.argv[2]).read_text())
    ConfigYAML.model_validate(
        {**config, "general_settings": {**config["general_settings"], "coordination_redis": None}}
    )
    for key, value in config["litellm_settings"].items():
        if key not in ("callbacks", "cache"):
            setattr(litellm, key, value)
    providers = Providers()
    await providers.start(
        sorted({each["model_info"]["bastide"]["deployment"] for each in config["model_list"]})
    )
    # What the first request to an engine, and to a provider, alone takes is over then.
    for number, down in enumerate(({}, {"chat": "error"})):
        first = {"group": "chat@public", "down": down}
        await scenario(first, *await prepare(number, config, first))
    # Routers take a second of work each, in which nobody's time-out may run.
    ready = [
        (each, *await prepare(number, config, each)) for number, each in enumerate(scenarios.values(), 2)
    ]
    # They mostly wait, for pauses and time-outs; too many at a time would make time-outs of their own.
    at_once = asyncio.Semaphore(4)

    async def one(each: dict[str, Any], providers: Providers, made: litellm.Router) -> dict[str, Any]:
        async with at_once:
            return await scenario(each, providers, made)

    done = await asyncio.gather(*(one(*each) for each in ready))
    taken = router(config, {})
    sys.stdout.write(
        json.dumps(
            {
                "version": version("litellm"),
                "unknown": unknown_keys(config),
                "planted": unknown_keys(planted(config)),
                "deployments": sorted(each["model_info"]["id"] for each in taken.model_list),
                "pauses": [constants.INITIAL_RETRY_DELAY, constants.MAX_RETRY_DELAY, constants.JITTER],
                "scenarios": dict(zip(scenarios, done, strict=True)),
            }
        )
        + "\n"
    )


asyncio.run(main())
