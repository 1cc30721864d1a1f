"""Addresses of records: the page, and what is done with it below it; logs; queries."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from .views import (
    closures,
    drafts,
    files,
    laboratories,
    marks,
    notes,
    queries,
    records,
    redactions,
    signatures,
    trails,
    verification,
)

VISIT_FORM = "participants/<str:code>/visits/<int:visit_id>/forms/<str:form>/"
LOG = "participants/<str:code>/log/<str:form>/"
ENTRY = LOG + "<int:number>/"
NEW_ENTRY = LOG + "new/"

View = Callable[..., Any]
ON_WHAT_STANDS: dict[str, View] = {
    "sign": records.sign,
    "verify": records.verify,
    "trail": trails.trail,
    "queries": queries.of_record,
    "notes": notes.of_record,
    "review": marks.review,
    **{str(deed): view for deed, view in marks.WITH_REASON.items()},
}
WHILE_TYPING: dict[str, View] = {"draft": drafts.draft, "evaluate": drafts.evaluate, "upload": files.upload}


def _below(address: str, name: str, views: dict[str, View]) -> list[URLPattern]:
    return [path(f"{address}{deed.replace('_', '-')}/", view, name=f"{name}_{deed}") for deed, view in views.items()]


urlpatterns: list[URLPattern] = [
    path(VISIT_FORM, records.record, name="record"),
    *_below(VISIT_FORM, "record", WHILE_TYPING | ON_WHAT_STANDS | {"not_done": records.not_done}),
    path(NEW_ENTRY, records.record, name="entry_new"),
    *_below(NEW_ENTRY, "entry_new", WHILE_TYPING),
    path(ENTRY, records.record, name="entry"),
    *_below(ENTRY, "entry", WHILE_TYPING | ON_WHAT_STANDS | {"remove": records.remove}),
    path(LOG, records.log, name="log"),
    path("verification/", verification.progress, name="verification"),
    path("participants/<str:code>/verification/", verification.participant, name="participant_verification"),
    path("participants/<str:code>/verification/next/", verification.next_form, name="verification_next"),
    path("redactions/", redactions.listed, name="redactions"),
    path("redactions/new/", redactions.new, name="redaction_new"),
    path("redactions/<int:redaction_id>/", redactions.redaction, name="redaction"),
    path("participants/<str:code>/files/<slug:key>/", files.file, name="file"),
    path("sites/<str:number>/laboratory/", laboratories.ranges, name="laboratory"),
    path("sites/<str:number>/laboratory/<int:range_id>/", laboratories.correct, name="laboratory_range"),
    path("participants/<str:code>/sign/", signatures.casebook, name="casebook_sign"),
    path("participants/<str:code>/visits/<int:visit_id>/sign/", signatures.visit, name="visit_sign"),
    path("participants/<str:code>/closure/", closures.participant, name="participant_closure"),
    path("participants/<str:code>/visits/<int:visit_id>/closure/", closures.visit, name="visit_closure"),
    path("sites/<str:number>/closure/", closures.site, name="site_closure"),
    path("study/closure/", closures.study, name="study_closure"),
    path("queries/", queries.worklist, name="queries"),
    path("queries/<int:query_id>/", queries.query, name="query"),
]
