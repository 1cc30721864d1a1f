"""Publishing a study folder and putting a version into force at a site."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _

import audit
from audit import clock
from audit.errors import Refused
from trial.definition import Problem, load_folder

from ..models import Person, Site, SiteActivation, Study, Version
from ..permissions import Permission, check


def publish(
    *, path: Path, by: Person | None, reason: str, simulated: bool = False
) -> tuple[Version | None, list[Problem]]:
    """Store the folder as a new immutable version, or return every problem and store nothing.

    A folder whose content is already published returns that version again. Problems of severity "warning" do not
    prevent publication. Without a person (the command line) it is the system's deed.
    """
    _check_may_manage(by)
    definition, problems = load_folder(path)
    if definition is None:
        return None, problems
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).first()
        if study is None:
            study = audit.save(
                Study(code=definition.study.code, acronym=definition.study.acronym, is_simulated=simulated), by=by
            )
        elif study.code != definition.study.code:
            raise Refused(
                _("This database holds the study %(held)s; %(offered)s needs a database of its own.")
                % {"held": study.code, "offered": definition.study.code}
            )
        elif simulated and not study.is_simulated:
            raise Refused(
                _("This database holds the real study: training needs a database of its own."), code="kind_of_database"
            )
        existing = Version.objects.filter(study=study, content_hash=definition.content_hash).first()
        if existing is not None:
            return existing, problems
        newest = Version.objects.filter(study=study).order_by("-number").first()
        version = audit.save(
            Version(
                study=study,
                number=newest.number + 1 if newest else 1,
                label=definition.study.protocol_version,
                content_hash=definition.content_hash,
                content=definition.to_json(),
                published_at=clock.now(),
                published_by=by,
                reason=reason,
            ),
            by=by,
            reason=reason,
        )
        audit.deed("version.published", version, by=by, number=version.number, content_hash=version.content_hash)
    return version, problems


@transaction.atomic
def open_site(*, study: Study, number: str, name: str, city: str, opened_on: dt.date | None, by: Person | None) -> Site:
    """Add a site; it includes participants from `opened_on` on. Its number opens every code, so nobody else has it."""
    _check_may_manage(by)
    if Site.objects.filter(study=study, number=number).exists():
        raise Refused(_("There is already a site %(number)s.") % {"number": number})
    site = audit.save(Site(study=study, number=number, name=name, city=city, opened_on=opened_on), by=by)
    audit.deed("site.opened", site, by=by, opened_on=opened_on)
    return site


@transaction.atomic
def activate(*, site: Site, version: Version, on: dt.date, by: Person | None) -> SiteActivation:
    """Put a version into force at a site from a day on (after the site's own approvals)."""
    _check_may_manage(by)
    if version.study_id != site.study_id:
        raise Refused(_("This version belongs to another study."))
    if SiteActivation.objects.filter(site=site, version=version).exists():
        raise Refused(_("Version %(version)s is already in force at this site.") % {"version": version.number})
    activation = audit.save(SiteActivation(site=site, version=version, activated_on=on), by=by)
    audit.deed("version.activated", activation, by=by, site_number=site.number, version=version.number, on=on)
    return activation


def _check_may_manage(by: Person | None) -> None:
    """Versions and sites are the administrator's; without a person it is the system's deed, from the command line."""
    if by is not None:
        check(by, Permission.SITES_MANAGE)
