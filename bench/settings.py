"""The settings of a running trial, with one more address: the minimal page against which the others are measured."""

import os

from config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"

if os.environ.get("BENCH_QUICK"):  # nothing is measured: static files are served from where they lie
    STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # noqa: F405
    WHITENOISE_USE_FINDERS = True
