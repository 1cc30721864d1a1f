"""One model for each way a table can be protected, with every type of column that the house uses."""

import uuid

from django.db import models

from audit import exempt
from audit.models import AppendOnlyModel, AuditedModel


class Shelf(AuditedModel):
    name = models.CharField(max_length=40, unique=True)
    site_id = models.BigIntegerField(default=7)

    def __str__(self) -> str:
        return self.name


class Book(AuditedModel):
    shelf = models.ForeignKey(Shelf, on_delete=models.PROTECT, null=True, related_name="books")
    title = models.CharField(max_length=100)
    note = models.TextField(blank=True, default="")
    data = models.JSONField(default=dict)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    weight = models.FloatField(null=True)
    printed_on = models.DateField(null=True)
    read_at = models.DateTimeField(null=True)
    is_lent = models.BooleanField(default=False)
    cover = models.FileField(blank=True, default="")
    stamp = models.BinaryField(default=b"")
    pages = models.IntegerField(db_default=100)
    moved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.title


class Leaf(AuditedModel):
    """A uuid for a key, and a child that goes with its parent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    number = models.PositiveSmallIntegerField()


class Spine(AuditedModel):
    """A reference for a key."""

    book = models.OneToOneField(Book, on_delete=models.PROTECT, primary_key=True)
    colour = models.CharField(max_length=10)


class Loan(AppendOnlyModel):
    book = models.ForeignKey(Book, on_delete=models.PROTECT)
    reader = models.CharField(max_length=40)
    facts = models.JSONField(null=True, default=None)
    is_late = models.BooleanField(default=False)


class Line(AppendOnlyModel):
    """Rows by the hundred, about one book."""

    shared_references = ("book",)

    book = models.ForeignKey(Book, on_delete=models.PROTECT, db_constraint=False, null=True)
    text = models.CharField(max_length=40)


class Sketch(models.Model):
    text = models.TextField()
    place = models.CharField(max_length=20, null=True, unique=True)
    drawn_at = models.DateTimeField(null=True)


exempt.register("sampleapp.Sketch", "a draft of these tests, private and unaudited")
