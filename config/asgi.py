"""The web application for an ASGI server (demo and containers use WSGI). Outside debug it needs its secrets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()

from config.checks import refuse_to_run_insecurely  # noqa: E402

refuse_to_run_insecurely()
