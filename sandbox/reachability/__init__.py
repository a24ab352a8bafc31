"""Who reaches whom, as the applied NetworkPolicies say. No pod network runs here, so they are evaluated.

`ports`, `objects`, `policies` and `places` are pure; `reading` asks the API server, `report` prints.
docs/reachability.md says what an evaluation does not see.
"""
