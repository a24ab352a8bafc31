"""`python -m sandbox.aws --port N`: the AWS of one world, on 127.0.0.1, until it is ended."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from sandbox.aws.settings import Settings

HOST = "127.0.0.1"
WARM = ("ec2", "iam", "sts", "kms", "s3", "logs")
"""Services that every region needs: loaded at the start, so that no request waits for them later."""


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--self-sufficient",
        action="store_true",
        help="clusters become ACTIVE and nodes join without a daemon's report",
    )
    parser.add_argument(
        "--launch-patience",
        type=float,
        default=Settings.launch_patience,
        metavar="SECONDS",
        help="how long a new node group may fail to get its instances before CREATE_FAILED",
    )
    parser.add_argument(
        "--drain-patience",
        type=float,
        default=Settings.drain_patience,
        metavar="SECONDS",
        help="how long a node may take to drain before PodEvictionFailure",
    )
    given = parser.parse_args()
    settings = Settings(
        self_sufficient=given.self_sufficient,
        launch_patience=given.launch_patience,
        drain_patience=given.drain_patience,
    )
    # moto reads these when it is imported: refuse types that AWS does not have, and know AWS's managed
    # policies.
    os.environ["MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION"] = "true"
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(given.port, settings)


def serve(port: int, settings: Settings) -> None:
    """Starts the server and the lifecycles."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from sandbox.aws import identity, patches
    from sandbox.aws.eks import (  # noqa: F401 - importing registers the operations
        access,
        addons,
        cluster_updates,
        clusters,
        lifecycle,
        nodegroup_updates,
        nodegroups,
        pod_identity,
        tags,
    )
    from sandbox.aws.eks.store import Store
    from sandbox.aws.front import Front
    from sandbox.aws.runtime import Runtime

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        # Headers and body are two writes: with Nagle's algorithm each answer on a kept connection waits 40
        # ms.
        disable_nagle_algorithm = True

        def log_request(self, *args: Any) -> None:
            """The journal counts requests; a line for each would only slow them."""

    runtime, store = Runtime(settings=settings), Store()
    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server(HOST, port, Front(runtime, store, moto), threaded=True, request_handler=Handler)

    # The socket listens from here: whoever connects meanwhile waits in its queue.
    patches.apply(runtime.faults)
    identity.create_people()
    for name in WARM:
        moto.app_instances[name] = create_backend_app(name)

    def live() -> None:
        while True:
            time.sleep(settings.tick)
            with runtime.lock:
                lifecycle.advance(store, settings)

    threading.Thread(target=live, name="lifecycle", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    # Nothing is kept, so nothing is tidied: ending the interpreter in order takes moto's objects seconds.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
