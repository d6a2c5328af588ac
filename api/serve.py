"""Starting the server."""

from __future__ import annotations

import os
import tempfile

import uvicorn

from .app import check_policies
from .engine import Library
from .logs import configure
from .metrics import SHARED
from .settings import PREFIX, load


def serve(**changes: object) -> None:
    """Run until stopped, which lets requests finish; `changes` (host, port, ...) go before the environment.

    Raises SettingsInvalid, PolicyInvalid.
    """
    for name, value in changes.items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    settings = load()
    # Here already: several processes would be started again and again only to find the same.
    check_policies(settings, Library(settings.policy_files))
    configure(settings.log_level)
    with tempfile.TemporaryDirectory(prefix="screening-metrics-") as folder:
        if settings.workers > 1:
            os.environ[SHARED] = folder
        uvicorn.run(
            f"{__package__}.app:create",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            access_log=False,
            log_level=settings.log_level,
            log_config=None,
            timeout_graceful_shutdown=settings.shutdown_limit,
            forwarded_allow_ips=settings.trusted_proxies,
            server_header=False,
        )
