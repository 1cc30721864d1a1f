"""System checks: a wrong model is red before its first migration."""

from django.apps import apps
from django.db import models
from django.test.utils import isolate_apps

from audit import exempt
from audit.checks import _check_audited, check_tables
from audit.tables import Kind, Table, all_tables, describe


def codes(model):
    return {message.id for message in _check_audited(Table(model, Kind.AUDITED))}


def test_every_table_of_the_house_is_listed_and_follows_the_rules():
    """AUD-070: audited, append-only or exempt with a reason; no model of ours is exempt by a wildcard."""
    assert check_tables() == []
    ours = {"audit", "trial", "ecrf", "randomization", "safety", "reporting", "config"}
    assert not [label for label in exempt.all_exemptions() if label.endswith(".*") and label.split(".")[0] in ours]
    assert {table.kind for table in all_tables()} <= set(Kind) - {Kind.UNLISTED}
    assert len([table for table in all_tables() if table.kind is Kind.AUDITED]) >= 10


@isolate_apps("audit")
def test_an_unlisted_model_is_an_error(monkeypatch):
    """AUD-071: a plain model says nothing about its history."""

    class Plain(models.Model):
        class Meta:
            app_label = "audit"

    assert describe(Plain).kind is Kind.UNLISTED
    monkeypatch.setattr("audit.checks.all_tables", lambda: [describe(Plain)])
    assert [message.id for message in check_tables()] == ["audit.E001"]
    assert check_tables(app_configs=[apps.get_app_config("trial")]) == []


@isolate_apps("audit")
def test_what_history_cannot_follow_is_an_error():
    """AUD-072: ManyToMany, SET_NULL, SET_DEFAULT, SET(), another table's child, and generated columns."""

    class Parent(models.Model):
        class Meta:
            app_label = "audit"

    class Child(Parent):
        class Meta:
            app_label = "audit"

    class Wrong(models.Model):
        many = models.ManyToManyField(Parent)
        null = models.ForeignKey(Parent, models.SET_NULL, null=True, related_name="+")
        default = models.ForeignKey(Parent, models.SET_DEFAULT, default=1, related_name="+")
        given = models.ForeignKey(Parent, models.SET(1), related_name="+")
        kept = models.ForeignKey(Parent, models.PROTECT, related_name="+")
        twice = models.GeneratedField(
            expression=models.F("id") * 2, output_field=models.BigIntegerField(), db_persist=True
        )

        class Meta:
            app_label = "audit"

    assert codes(Child) == {"audit.E002"}
    assert codes(Parent) == set()
    messages = list(_check_audited(Table(Wrong, Kind.AUDITED)))
    assert [message.id for message in messages] == [
        "audit.E003",
        "audit.E004",
        "audit.E004",
        "audit.E004",
        "audit.E005",
    ]


def test_an_exemption_needs_a_reason():
    """AUD-073: an empty reason is no reason."""
    import pytest

    with pytest.raises(ValueError, match="reason"):
        exempt.register("trial.Anything", "because")
