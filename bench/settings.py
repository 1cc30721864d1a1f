"""The settings of a running trial, with one more address: the minimal page against which the others are measured."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
