from django.apps import AppConfig


class SampleConfig(AppConfig):
    """A small app that only these tests install: one model for each way a column can be."""

    name = "tests.audit.sampleapp"
    label = "sampleapp"
    default_auto_field = "django.db.models.BigAutoField"
