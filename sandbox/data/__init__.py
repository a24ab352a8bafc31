"""Real Postgres and Redis as processes of this machine, with TLS: for live worlds, and for tests by themselves.

    tls = server_pair(Authority(folder, "amazon"), "localhost")      # data/tls.py; None: no TLS at all
    with closing(Postgres.start(folder / "postgres", tls=tls)) as database, closing(Redis.start(...)) as cache:
        litellm_schema.apply(database)                               # or `python -m bastide_gateway.migrate`
        env = prisma_client.environment() | {"DATABASE_URL": database.url}   # LiteLLM's own; PATH needs
        ...                                                                  # prisma_client.programs()
        cache.freeze(); database.stop(); database.start_again()

Everything binds to 127.0.0.1, and ends with the process that started it, however that ends."""
