"""Provider plugins of the sandbox, under the official names, spoken to by the real Pulumi engine."""
