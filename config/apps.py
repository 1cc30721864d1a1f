"""The wiring as an app: its checks, and the Celery application that tasks are registered with."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import celery, checks  # noqa: F401
