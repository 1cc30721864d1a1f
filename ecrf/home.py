"""What the eCRF puts on the home page: the queries that wait for the person."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trial import home_panels
from trial.definitions import definition_of
from trial.models import Person
from trial.permissions import Permission, access_of

from .models import Query, QueryMessage
from .selectors import queries_waiting_for
from .worklists import age_of, age_words


def queries_panel(person: Person) -> home_panels.Panel | None:
    """Queries to answer, for those who answer; answers to read, for those who ask. Oldest first, with the last line."""
    access = access_of(person)
    answers = access.has(Permission.QUERY_ANSWER)
    if not answers and not access.has(Permission.QUERY_ASK):
        return None
    last = QueryMessage.objects.filter(query=OuterRef("pk")).order_by("-pk")
    waiting = queries_waiting_for(person).annotate(
        last_text=Subquery(last.values("text")[:1]), last_words=Subquery(last.values("words")[:1])
    )
    found, total = home_panels.first_rows(waiting.order_by("opened_at", "pk"))
    locale = get_language() or "en"
    return home_panels.Panel(
        title=_("Queries to answer") if answers else _("Answers to read"),
        icon="query",
        rows=[_row(query, locale) for query in found],
        count=total,
        url=reverse("queries"),
        url_label=_("All queries"),
        empty=_("No query waits for you."),
        tone="warn",
    )


def _row(query: Query, locale: str) -> home_panels.Row:
    definition = definition_of(query.participant.version_id)
    form = definition.forms.get(query.record.form)
    item = form.items.get(query.item) if form is not None else None
    label = item.label if item is not None else form.label if form is not None else None
    about = definition.text(label, locale) or query.record.form
    return home_panels.Row(
        label=f"{query.participant.code} · {about}",
        url=reverse("query", args=[query.pk]),
        note=Truncator(_last_line(query, locale)).chars(90),
        when=age_words(age_of(query)),
    )


def _last_line(query: Any, locale: str) -> str:
    """The last line of the thread; what an edit check asked, in the page's language."""
    return str((query.last_words or {}).get(locale) or query.last_text or "")
