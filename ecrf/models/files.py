"""Files that are the value of an item: as data, their bytes, and what a person uploaded but has not saved yet."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import exempt
from audit.models import AuditedModel


class Attachment(AuditedModel):
    """A file that a save made the value of an item: what it is, who attached it, when.

    It is never changed by a later file, which is another row; the value of the item says which one stands.
    """

    key = models.CharField(max_length=32, unique=True, help_text=_("The value of the item; not to be guessed."))
    record = models.ForeignKey("ecrf.Record", on_delete=models.PROTECT, related_name="attachments")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="+")
    row = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=60)
    name = models.CharField(max_length=140, help_text=_("As the person's file was called, cleaned."))
    media_type = models.CharField(max_length=60, help_text=_("Found from the content, not from the name."))
    size = models.PositiveIntegerField(help_text=_("Bytes."))
    sha256 = models.CharField(max_length=64)
    attached_at = models.DateTimeField()
    attached_by = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    reveals_arm = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"File {self.pk}"


class FileContent(models.Model):
    """The bytes of an attachment, apart from it: its history would hold them again with every change."""

    attachment = models.OneToOneField(Attachment, on_delete=models.PROTECT, primary_key=True, related_name="content")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"content {self.pk}"


class Upload(models.Model):
    """A file that belongs to a person's draft, encrypted, shown to its author alone; gone on save."""

    key = models.CharField(max_length=32, unique=True)
    person = models.ForeignKey("trial.Person", on_delete=models.PROTECT, related_name="+")
    participant = models.ForeignKey("trial.Participant", on_delete=models.PROTECT, related_name="+")
    place = models.CharField(max_length=120, help_text="As Draft.place")
    field = models.CharField(max_length=160, help_text="The name of the item's control: ITEM or GROUP.ROW.ITEM")
    item = models.CharField(max_length=60)
    name = models.CharField(max_length=140)
    media_type = models.CharField(max_length=60)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    payload = models.BinaryField()
    uploaded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "participant", "place", "field"], name="one_upload_per_person_and_field"
            )
        ]

    def __str__(self) -> str:
        return f"upload {self.pk}"


exempt.register(
    "ecrf.FileContent",
    "The bytes of a file: its hash, size and author stand in the audited ecrf.Attachment and in the value itself.",
    ("SELECT", "INSERT", "DELETE"),
)
exempt.register("ecrf.Upload", "A file of a draft is not data yet; it becomes data by Save, which is audited.")
