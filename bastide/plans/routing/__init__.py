"""The route table: who may use which deployment, in which order, at what price, and why not another.

`table.py` resolves it from the settings; `document.py` (for our callbacks) and `litellm_config.py` (for LiteLLM)
write it down; `text.py` shows it to people."""
