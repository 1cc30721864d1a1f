"""The web application for an ASGI server (demo and containers use WSGI). Outside debug it needs its secrets."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.checks import refuse_to_run_insecurely

refuse_to_run_insecurely()

from django.core.asgi import get_asgi_application  # noqa: E402 (nothing is loaded before the check)

application = get_asgi_application()
