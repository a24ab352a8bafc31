"""What LiteLLM's proxy runs of ours: data classes, limits, budgets, guards, the cache's tenants, one line a request.

It is mounted beside LiteLLM's configuration and started by `python -m bastide_gateway.launch`. It knows nothing of
Pulumi or of the rest of the kit: all that it decides by stands in `routes.json`. LiteLLM is imported by
`callbacks.py`, `cache.py`, `launch.py` and what they alone use, so that the rest can be tested without it."""
