"""A provider of one type, `tiny:index:Thing`, whose world is a folder of JSON files named by id.

`name` replaces, `size` updates. `delay` holds a create back before the thing exists, `linger` after it exists
and before the engine hears of it: the two moments in which a run can be killed. With `random` the id is not
the name, as with clouds that choose ids themselves.
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path

from sandbox.plugins.protocol import Diff, PluginError, Provider
from sandbox.plugins.server import serve

WORLD = Path(os.environ["TINY_WORLD"])


def write(path: Path, inputs: dict) -> None:
    """Whole or not at all: the tests look while it is written."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(inputs))
    new.replace(path)


class Tiny(Provider):
    name = "tiny"
    version = "0.1.0"

    def check(self, resource, old, new, random_seed):
        allowed = {"name", "size", "delay", "linger", "random", "secret"}
        return new, [(key, f"a Thing has no {key}") for key in new.keys() - allowed]

    def diff(self, resource, resource_id, old_state, old_inputs, new_inputs):
        changed = [
            key for key in old_inputs.keys() | new_inputs if old_inputs.get(key) != new_inputs.get(key)
        ]
        return Diff({key: "update-replace" if key == "name" else "update" for key in changed})

    def create(self, resource, inputs, preview, timeout):
        if preview:
            return "", inputs
        time.sleep(inputs.get("delay", 0))
        new_id = uuid.uuid4().hex if inputs.get("random") else inputs["name"]
        path = WORLD / f"{new_id}.json"
        if path.exists():
            raise PluginError(f"a thing named {new_id} exists already")
        write(path, inputs)
        time.sleep(inputs.get("linger", 0))
        return new_id, inputs

    def read(self, resource, resource_id, state, inputs):
        path = WORLD / f"{resource_id}.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        return resource_id, found, found

    def update(self, resource, resource_id, old_state, old_inputs, new_inputs, preview, timeout):
        if not preview:
            write(WORLD / f"{resource_id}.json", new_inputs)
        return new_inputs

    def delete(self, resource, resource_id, state, inputs, timeout):
        (WORLD / f"{resource_id}.json").unlink(missing_ok=True)


if __name__ == "__main__":
    serve(Tiny(), sys.argv[1:])
