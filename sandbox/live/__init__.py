"""Live pods: on the nodes that are live, containers are real processes (docs/sandbox.md, "Live pods")."""
