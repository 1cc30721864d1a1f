"""The web application for gunicorn. Outside debug it refuses to start without its secrets."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.checks import refuse_to_run_insecurely

refuse_to_run_insecurely()

from django.core.wsgi import get_wsgi_application  # noqa: E402 (nothing is loaded before the check)

application = get_wsgi_application()
