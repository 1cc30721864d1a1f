"""The web application for gunicorn. It refuses to start outside debug without its secrets."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.checks import refuse_to_run_insecurely  # noqa: E402

refuse_to_run_insecurely()
