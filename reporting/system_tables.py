"""The tables that no form makes (participants, visits, queries, notes, …): their columns and codes in words.

They are described in the data dictionary like every form's columns, in each language of the study that is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.utils import translation

from ecrf.models import EntryState, QueryKind, QueryState
from randomization.models import ErrorReason, WhyOtherwise
from trial.models import Status, StatusKind, VisitStatus
from trial.statuses import FAILURE_REASONS

from .datasets import KEYS, STATUSES, Column, Shape

Description = tuple[str, str, str, str, str]
"""Name, label in English, label in French, type, codelist."""

WHY_NO_VALUE = "why_no_value"
"""The codelist of every ITEM_STATUS column."""
_SITE: Description = ("SITEID", "Site number", "Numéro du centre", "text", "")
_CODE: Description = ("USUBJID", "Participant code", "Code du participant", "text", "")
_VISIT: Description = ("VISIT", "Visit id", "Identifiant de la visite", "text", "")
_FORM: Description = ("FORM", "Form", "Formulaire", "text", "")
_ENTRY: Description = ("ENTRYNO", "Number of the log entry", "Numéro de l’entrée du journal", "integer", "")
_ROW: Description = ("ROWID", "Stable id of the row", "Identifiant stable de la ligne", "text", "")
_ITEM: Description = ("ITEM", "Item", "Champ", "text", "")

PARTICIPANTS: tuple[Description, ...] = (
    _SITE,
    _CODE,
    ("STATUS", "Status", "Statut", "code", "participant_status"),
    ("SCREENED", "Screened on", "Sélectionné le", "date", ""),
    ("CONSENTED", "First consent signed on", "Premier consentement signé le", "date", ""),
    ("FAILED", "Screening closed without inclusion on", "Sélection close sans inclusion le", "date", ""),
    ("FAILURE_REASON", "Reason of the screen failure", "Motif de l’échec de sélection", "code", FAILURE_REASONS),
    ("FAILURE_DETAIL", "Details of the screen failure", "Précisions sur l’échec de sélection", "text", ""),
    ("RANDOMIZED", "Randomized on", "Randomisé le", "date", ""),
    ("REGISTERED", "Registered without randomization on", "Enregistré sans randomisation le", "date", ""),
    ("INCLUSION", "How the visit plan was given", "Comment le plan de visites a été attribué", "code", "inclusion"),
    (
        "IN_ERROR",
        "Randomized in error: why (empty: no)",
        "Randomisé par erreur : motif (vide : non)",
        "code",
        "error_reason",
    ),
    ("IN_ERROR_DETAIL", "What happened", "Ce qui s’est passé", "text", ""),
    ("TREATMENT_ENDED", "Allocated treatment ended on", "Fin du traitement attribué le", "date", ""),
    ("PROGRESSED", "Progressed on", "Progression le", "date", ""),
    ("WITHDRAWN_TREATMENT", "Withdrawn from treatment on", "Arrêt du traitement demandé le", "date", ""),
    ("WITHDRAWN_VISITS", "Withdrawn from visits on", "Arrêt des visites demandé le", "date", ""),
    ("WITHDRAWN_CONTACT", "Withdrawn from all contact on", "Arrêt de tout contact demandé le", "date", ""),
    ("LOST", "Lost to follow-up on", "Perdu de vue le", "date", ""),
    ("DIED", "Died on", "Décédé le", "date", ""),
    ("COMPLETED", "Study completed on", "Étude terminée le", "date", ""),
    ("SEX", "Sex", "Sexe", "code", "sex"),
    ("BIRTHMONTH", "Month of birth", "Mois de naissance", "integer", ""),
    ("BIRTHYEAR", "Year of birth", "Année de naissance", "integer", ""),
)
ALLOCATIONS: tuple[Description, ...] = (
    ("RANDNO", "Randomization number", "Numéro de randomisation", "integer", ""),
    ("ARM", "Arm", "Bras", "code", "arms"),
    ("STRATUM", "Stratum", "Strate", "text", ""),
    ("ALLOCATED_AT", "Allocated at (UTC offset written)", "Attribué à (décalage UTC écrit)", "datetime", ""),
    (
        "REGISTERED_TO",
        "Arm of the registration, without randomization",
        "Bras de l’enregistrement, sans randomisation",
        "code",
        "arms",
    ),
    (
        "RECEIVED",
        "Treatment received: arm, or NONE (empty: not told)",
        "Traitement reçu : bras, ou NONE (vide : non renseigné)",
        "code",
        "received",
    ),
    ("RECEIVED_START", "First day of the treatment received", "Premier jour du traitement reçu", "date", ""),
    (
        "RECEIVED_WHY",
        "Why it is not the allocated treatment",
        "Pourquoi ce n’est pas le traitement attribué",
        "code",
        "why_otherwise",
    ),
    ("RECEIVED_DETAIL", "Details", "Précisions", "text", ""),
)
STRATUM_DIFFERENCES: tuple[Description, ...] = (
    _SITE,
    _CODE,
    ("FACTOR", "Stratification factor", "Facteur de stratification", "text", ""),
    ("FROZEN", "Level frozen at allocation", "Niveau gelé à l’attribution", "text", ""),
    ("NOW", "Level by the data (empty: not known)", "Niveau d’après les données (vide : inconnu)", "text", ""),
    ("SINCE", "Since", "Depuis", "datetime", ""),
    ("SETTLED_AT", "Agreed again at", "De nouveau concordant à", "datetime", ""),
)
STATUS_CHANGES: tuple[Description, ...] = (
    _SITE,
    _CODE,
    ("EVENT", "What happened", "Événement", "code", "status_change"),
    (
        "SCREENING",
        "Of which screening (1: the first, or what happens once)",
        "De quelle sélection (1 : la première, ou ce qui n’a lieu qu’une fois)",
        "integer",
        "",
    ),
    ("DATE", "When it happened", "Date de l’événement", "date", ""),
    ("REASON", "Reason", "Motif", "text", ""),
    ("DETAIL", "Details", "Précisions", "text", ""),
    ("REVERSED_AT", "Taken back at (empty: it holds)", "Annulé à (vide : en vigueur)", "datetime", ""),
    ("REVERSED_REASON", "Why it was taken back", "Motif de l’annulation", "text", ""),
)
VISITS: tuple[Description, ...] = (
    _SITE,
    _CODE,
    _VISIT,
    ("VISITLABEL", "Visit", "Visite", "text", ""),
    ("VISITSEQ", "Occurrence of the visit", "Occurrence de la visite", "integer", ""),
    ("PLANNED", "Planned on", "Prévue le", "date", ""),
    ("WINDOW_START", "First day of the window", "Premier jour de la fenêtre", "date", ""),
    ("WINDOW_END", "Last day of the window", "Dernier jour de la fenêtre", "date", ""),
    ("ACTUAL", "Done on", "Réalisée le", "date", ""),
    ("STATUS", "Status", "Statut", "code", "visit_status"),
    ("MISSED_REASON", "Why the visit was missed", "Motif de la visite manquée", "text", ""),
)
QUERIES: tuple[Description, ...] = (
    ("QUERY", "Number of the query", "Numéro de la demande de correction", "integer", ""),
    _SITE,
    _CODE,
    _VISIT,
    _FORM,
    _ENTRY,
    _ROW,
    _ITEM,
    ("KIND", "Where the query comes from", "Origine de la demande de correction", "code", "query_kind"),
    ("STATE", "State of the query", "État de la demande de correction", "code", "query_state"),
    ("OPENED_AT", "Opened at", "Ouverte à", "datetime", ""),
    ("SETTLED_AT", "Closed or cancelled at", "Fermée ou annulée à", "datetime", ""),
    ("LAST_TEXT", "Last words of the thread", "Derniers mots du fil", "text", ""),
)
VERIFICATIONS: tuple[Description, ...] = (
    _CODE,
    _VISIT,
    _FORM,
    _ENTRY,
    _ROW,
    _ITEM,
    ("REVISION", "Save of the form that was verified", "Enregistrement du formulaire vérifié", "integer", ""),
    ("VERIFIED_AT", "Verified at", "Vérifiée à", "datetime", ""),
    ("CLEARED_AT", "Undone by a change at", "Annulée par une modification à", "datetime", ""),
)
NOTES: tuple[Description, ...] = (
    ("NOTE", "Number of the note", "Numéro de la note", "integer", ""),
    _SITE,
    _CODE,
    _VISIT,
    _FORM,
    _ENTRY,
    _ROW,
    _ITEM,
    ("TEXT", "What was noted", "Texte de la note", "text", ""),
    ("BY", "Noted by", "Notée par", "text", ""),
    ("AT", "Noted at", "Notée à", "datetime", ""),
)
MISSING_REASONS: tuple[Description, ...] = (
    *((name, english, french, "text", "") for name, english, french in KEYS),
    _FORM,
    _ROW,
    _ITEM,
    ("STATUS", "Why there is no value", "Pourquoi il n’y a pas de valeur", "code", WHY_NO_VALUE),
    ("REASON", "The same in words, as typed", "La même chose en toutes lettres, comme saisi", "text", ""),
)
CODES: dict[str, Any] = {
    "participant_status": Status,
    "status_change": StatusKind,
    "visit_status": VisitStatus,
    "entry_state": EntryState,
    "query_kind": QueryKind,
    "query_state": QueryState,
    "error_reason": ErrorReason,
}


def header(columns: Sequence[Description]) -> list[str]:
    """Return the names of the columns, in their order."""
    return [name for name, *_rest in columns]


def described(*, includes_arms: bool) -> Iterator[tuple[str, Column]]:
    """Yield (table, column) of every column of these tables that the dataset holds."""
    tables = {
        "participants": PARTICIPANTS + (ALLOCATIONS if includes_arms else ()),
        "status_changes": STATUS_CHANGES,
        "visits": VISITS,
        "stratum_differences": STRATUM_DIFFERENCES,
        "queries": QUERIES,
        "verifications": VERIFICATIONS,
        "notes": NOTES,
        "missing_reasons": MISSING_REASONS,
    }
    for table, columns in tables.items():
        for name, english, french, type_, codelist in columns:
            yield table, Column(name, {"en": english, "fr": french}, type_, codelist=codelist)


def codes(shape: Shape, *, includes_arms: bool) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield (codelist, code, CDISC code, label per language) of the codes that are not of a form."""
    for codelist, choices in CODES.items():
        for choice in choices:
            yield codelist, str(choice.value), "", _labels(shape.locales, choice.label)
    for code, words in STATUSES.items():
        if includes_arms or code != "WITHHELD":
            yield WHY_NO_VALUE, code, "", dict.fromkeys(shape.locales, words)
    yield from shape.codelists_named({FAILURE_REASONS, "sex"})
    for kind in (StatusKind.RANDOMIZED, StatusKind.REGISTERED):
        yield "inclusion", str(kind.value), "", _labels(shape.locales, kind.label)
    if includes_arms:
        for why in WhyOtherwise:
            yield "why_otherwise", str(why.value), "", _labels(shape.locales, why.label)
        arms = {
            arm.id: (definition, arm) for definition in reversed(shape.definitions) for arm in definition.arms.values()
        }
        for arm_id, (definition, arm) in arms.items():
            labels = {locale: definition.text(arm.label, locale) for locale in shape.locales}
            yield "arms", arm_id, "", labels
            yield "received", arm_id, "", labels
        yield "received", "NONE", "", {"en": "None of these treatments", "fr": "Aucun de ces traitements"}


def _labels(locales: Iterable[str], label: Any) -> dict[str, str]:
    found = {}
    for locale in locales:
        with translation.override(locale):
            found[locale] = str(label)
    return found
