from django.db import migrations, models

KINDS = [
    ("withdraw_slot", "Make a slot unavailable"),
    ("append_slots", "Append slots"),
    ("close_stratum", "Close a stratum"),
    ("reopen_stratum", "Reopen a stratum"),
    ("hold", "Hold randomization"),
    ("resume", "Resume randomization"),
]
STATES = [
    ("proposed", "Waits for the second person"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("taken_back", "Taken back"),
]


class Migration(migrations.Migration):
    """A proposal may be taken back by its proposer, and a closed stratum reopened. No row of before is changed."""

    dependencies = [("randomization", "0006_allocation_draw_and_own_number")]

    operations = [
        migrations.RemoveConstraint("correction", "list_correction_decided_with_person_and_time"),
        migrations.RemoveConstraint("correction", "slot_withdrawn_once"),
        migrations.AlterField("correction", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.AlterField(
            "correction", "state", models.CharField(choices=STATES, default="proposed", max_length=10)
        ),
        migrations.AlterField("historicalcorrection", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.AlterField(
            "historicalcorrection", "state", models.CharField(choices=STATES, default="proposed", max_length=10)
        ),
        migrations.AddConstraint(
            "correction",
            models.CheckConstraint(
                condition=models.Q(state="proposed", decided_by__isnull=True, decided_at__isnull=True)
                | models.Q(state="taken_back", decided_by__isnull=True, decided_at__isnull=False)
                | models.Q(state__in=["approved", "rejected"], decided_by__isnull=False, decided_at__isnull=False),
                name="list_correction_decided_with_person_and_time",
            ),
        ),
        migrations.AddConstraint(
            "correction",
            models.UniqueConstraint(
                fields=["slot"],
                condition=models.Q(state__in=["proposed", "approved"]),
                name="slot_withdrawn_once",
            ),
        ),
    ]
