"""From a stored version to its `Definition`, read once per process."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Collection
from threading import Lock, RLock

from django.db.models import QuerySet

from audit import clock
from audit.prepared import prepared
from trial.definition import Definition

from .models import Site, SiteActivation, Study, Version

_KEPT = 6
_cache: OrderedDict[int, Definition] = OrderedDict()
_lock = Lock()
_making = RLock()


def definition_of(version_id: int) -> Definition:
    """Return the definition of a stored version; the same object each time within a process.

    Compiling one takes about a second: when several threads need it at once, one does it and the others wait.
    """
    found = _kept(version_id)
    if found is not None:
        return found
    with _making:
        found = _kept(version_id)
        if found is not None:
            return found
        content = Version.objects.filter(pk=version_id).values_list("content", flat=True).get()
        definition = Definition.from_json(content)
        with _lock:
            _cache[version_id] = definition
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return definition


def _kept(version_id: int) -> Definition | None:
    with _lock:
        if version_id not in _cache:
            return None
        _cache.move_to_end(version_id)
        return _cache[version_id]


def forget_definitions(*, keep: Collection[int] = ()) -> None:
    """Empty the cache but for the versions named: only where one process changes databases, as tests do."""
    with _lock:
        for version_id in [known for known in _cache if known not in keep]:
            del _cache[version_id]


def current_study() -> Study | None:
    """Return the one study of this database, None before the first publication."""
    return Study.objects.order_by("pk").first()


def latest_version() -> Version:
    """Return the newest published version. Raises Version.DoesNotExist before the first publication."""
    return Version.objects.order_by("-number")[:1].get()


def version_at(site: Site, on: dt.date | None = None) -> Version:
    """Return the version in force at a site on a day: the newest that the site has activated by then.

    Raises Version.DoesNotExist when the site has activated none.
    """
    day = on or clock.today()
    found = _activated(site.pk, day)
    if not found:
        raise Version.DoesNotExist(f"Site {site.number} has no version in force on {day}.")
    return found[0].version


@prepared
def _activated(site_id: int, day: dt.date) -> QuerySet[SiteActivation]:
    activations = SiteActivation.objects.filter(site_id=site_id, activated_on__lte=day).select_related("version")
    return activations.defer("version__content").order_by("-version__number")[:1]  # not the whole study
