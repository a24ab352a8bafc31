"""How much a quantized model loses against its baseline: tasks, scores and the table that is attached to it."""
