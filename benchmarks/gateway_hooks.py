"""The hook and the guardrail of the two full systems: one pattern over the text, in each one's own interface."""

from __future__ import annotations

from typing import Final

OF_LITELLM: Final = '''
import json
import re
from fastapi import HTTPException
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.integrations.custom_logger import CustomLogger


class Policy(CustomLogger):
    """Reads the class of the data, rewrites the model, and logs each request."""

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        headers = (data.get("proxy_server_request") or {}).get("headers") or {}
        team = (getattr(user_api_key_dict, "team_metadata", None) or {}).get("data_class", "regulated")
        held = headers.get("x-data-class", team)
        if held != "public":
            raise HTTPException(status_code=403, detail={"error": "no deployment for this class"})
        data.setdefault("metadata", {})["data_class"] = held
        data["model"] = f"{data['model']}-{held}"
        return data

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        held = kwargs.get("standard_logging_object") or {}
        names = ("id", "model_group", "model_id", "prompt_tokens", "completion_tokens", "response_cost")
        print(json.dumps({name: held.get(name) for name in names}, default=str), flush=True)


class Guard(CustomGuardrail):
    """A pattern over the text."""

    pattern = re.compile(r"\\b\\d{9,16}\\b")

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        for message in data.get("messages") or []:
            if isinstance(message.get("content"), str) and self.pattern.search(message["content"]):
                raise HTTPException(status_code=400, detail={"error": "a number"})
        return data


policy = Policy()
'''
"""As LiteLLM's documentation has custom callbacks and custom guardrails."""

OF_OURS: Final = '''
import re
from bastide_gateway.errors import Refused
from bastide_gateway.guards import Guard


class Numbers(Guard):
    """A pattern over the text."""

    pattern = re.compile(r"\\b\\d{9,16}\\b")

    async def check_request(self, call, body):
        for message in body.get("messages") or []:
            if isinstance(message.get("content"), str) and self.pattern.search(message["content"]):
                raise Refused(400, "number", "a number")


def make(settings):
    return Numbers()
'''
