"""What a model needs of GPUs, and what GPUs give it: memory, time, requests and dollars. Pure.

`bastide.plans.capacity.plan` is the way in. Every formula has its source beside it; docs/capacity.md says
what they leave out."""
