"""What reporting adds to the home page."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trial import home_panels
from trial.models import Person
from trial.navigation import Entry
from trial.permissions import Access, Permission, access_of
from trial.presenters import date_words

from . import consort, overview, selectors
from .presenters import export_row

SHOWN = 3


class OverviewEntry(Entry):
    """The entry of the overview: for those who follow sites and see participants."""

    def is_open_to(self, access: Access) -> bool:
        """Tell whether the overview is for somebody."""
        return overview.is_open_to(access)


class FlowEntry(Entry):
    """The entry of the flow of participants: for those who follow the whole trial."""

    def is_open_to(self, access: Access) -> bool:
        """Tell whether the flow is for somebody."""
        return consort.is_open_to(access)


def home_panel(person: Person) -> home_panels.Panel | None:
    """The person's newest exports: ready to fetch, being written, or failed."""
    if not access_of(person).has(Permission.EXPORT):
        return None
    found, total = home_panels.first_rows(selectors.exports_of(person), SHOWN)
    leases = selectors.leases_of(found) if found else {}
    rows = []
    for export in found:
        row = export_row(export, leases.get(export.pk))
        asked = timezone.localtime(export.requested_at)
        rows.append(
            home_panels.Row(
                label=f"{date_words(asked.date(), get_language() or 'en')}, {asked:%H:%M}",
                url=f"{reverse('exports')}#export-{export.pk}",
                note=row.arms,
                state=row.state,
                state_label=row.state_label,
            )
        )
    return home_panels.Panel(
        title=_("Exports"),
        icon="download",
        rows=rows,
        count=total,
        url=reverse("exports"),
        url_label=_("All exports"),
        empty=_("No dataset was asked for yet."),
    )
