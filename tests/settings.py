"""Settings of the test suite: the real ones, on throwaway services, with fast passwords and no Celery worker.

Imported before anything else of Django, so the addresses are chosen here; the services themselves start when the
first test needs them (see `tests.harness`).
"""

import os
import sys

from tests import harness

# Compiled modules are kept even where the machine says otherwise: tests are compiled slowly (their assertions are
# rewritten), and so is everything that each `manage.py` of the suite imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.update(harness.addresses())
os.environ.pop("STRATUM_ROLE", None)  # tests are the application: they own nothing

from config.settings import *  # noqa: E402, F403
from config.settings import LOGGING as _LOGGING  # noqa: E402
from config.settings import STORAGES as _STORAGES  # noqa: E402

TESTING = True
DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = _STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
CELERY_TASK_ALWAYS_EAGER = True  # the `worker` fixture runs a real one where that is what is tested
CELERY_TASK_EAGER_PROPAGATES = True
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
LOGGING = _LOGGING | {
    "loggers": _LOGGING["loggers"]
    | {
        "django.request": {"level": "ERROR"},  # refusals (403, 404, 409, 422) are what tests ask for; faults still show
    }
}
