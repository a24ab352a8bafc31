"""The daemon that owns everything of the sandbox that lives."""
