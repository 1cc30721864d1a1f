from django.db import migrations, models

DRAW = {
    "blank": True,
    "default": "",
    "help_text": "What the slot holds where the arm is computed at allocation: the random draw.",
    "max_length": 32,
}
OWN_NUMBER = {
    "blank": True,
    "default": "",
    "help_text": "The sponsor's own number of the slot in an imported list.",
    "max_length": 16,
}


class Migration(migrations.Migration):
    """The draw of a minimized allocation, and the sponsor's own number of an imported slot."""

    dependencies = [('randomization', '0005_emergency_slots')]

    operations = [
        migrations.AddField("allocation", "draw", models.CharField(**DRAW)),
        migrations.AddField("allocation", "own_number", models.CharField(**OWN_NUMBER)),
        migrations.AddField("historicalallocation", "draw", models.CharField(**DRAW)),
        migrations.AddField("historicalallocation", "own_number", models.CharField(**OWN_NUMBER)),
    ]
