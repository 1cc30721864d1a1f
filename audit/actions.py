"""The way a row is written, a deed told and a name signed."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models, router, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit import clock, outside, told
from audit.appending import append as append
from audit.appending import append_columns as append_columns
from audit.appending import insert
from audit.context import author_of, current_origin, writing_as
from audit.errors import Conflict, Refused
from audit.models import HISTORY, AppendOnlyModel, AuditedModel, Deed, Signature, stored_value
from audit.prepared import prepared
from audit.verbs import check_verb

log = logging.getLogger(__name__)

M = TypeVar("M", bound=AuditedModel)


def save(instance: M, *, by: Any, reason: str = "") -> M:
    """Write one row with its history, in the name of `by` (None: the system), and give the instance back.

    A row that exists is locked and read again first; if it changed since the instance was read, `Conflict` is raised
    and nothing is written. A save that changes nothing writes nothing.
    """
    _check_kind(instance)
    with _whole(_using(instance)), writing_as(by, reason):
        if instance._state.adding:
            _check_plain_values(instance)
            _write(instance, None)
            return instance
        changed = _settle(instance, _locked(type(instance), [instance.pk], _using(instance)).get(instance.pk))
        if changed:
            _write(instance, changed)
    return instance


def _write(instance: AuditedModel, changed: list[str] | None) -> None:
    """Write a new row, or the fields of one that stands, with its history."""
    using = _using(instance)
    if not told.is_plain(instance):  # Django reads back what the database made
        instance.save(force_insert=changed is None, update_fields=changed)
        return
    with told.signalled(instance, using, changed):
        if changed is None:
            told.insert([instance], using)
        else:
            told.update(instance, changed, using)
    instance.remember(changed)


def save_many(instances: Iterable[M], *, by: Any, reason: str = "", batch_size: int = 500) -> list[M]:
    """Write many rows with their history in a few statements; new and existing rows, of one or several models.

    The promises are those of `save`; rows are locked in the order of their keys. Signals of the models are not sent.
    """
    found = list(instances)
    by_model: dict[type[M], list[M]] = {}
    for instance in found:
        _check_kind(instance)
        by_model.setdefault(type(instance), []).append(instance)
    if not found:
        return found
    using = _using(found[0])
    with _whole(using), writing_as(by, reason):
        for model, group in by_model.items():
            new = [instance for instance in group if instance._state.adding]
            old = [instance for instance in group if not instance._state.adding]
            if new:
                for instance in new:
                    _check_plain_values(instance)
                _insert_many(model, new, using, batch_size)
                for instance in new:
                    instance.remember()
            if old:
                _change_many(model, old, using, batch_size)
    return found


def _insert_many(model: type[M], new: Sequence[M], using: str, batch_size: int) -> None:
    if not all(map(told.is_plain, new)):
        model._base_manager.using(using).bulk_create(new, batch_size=batch_size)
        HISTORY.create_many(new, "+", using, batch_size)
        return
    for start in range(0, len(new), batch_size):
        told.insert(new[start : start + batch_size], using)


def _change_many(model: type[M], old: Sequence[M], using: str, batch_size: int) -> None:
    if len({instance.pk for instance in old}) != len(old):
        raise ValueError(f"{model._meta.label}: the same row twice in one save_many.")
    current = _locked(model, [instance.pk for instance in old], using)
    changes = [(instance, _settle(instance, current.get(instance.pk))) for instance in old]
    written = [instance for instance, fields in changes if fields]
    if not written:
        return
    names = sorted({name for _instance, fields in changes for name in fields})
    for instance in written:
        for name in names:
            model._meta.get_field(name).pre_save(instance, False)  # type: ignore[union-attr]
    model._base_manager.using(using).bulk_update(written, names, batch_size=batch_size)
    HISTORY.create_many(written, "~", using, batch_size)
    for instance in written:
        instance.remember()


def delete(instance: AuditedModel, *, by: Any, reason: str = "") -> None:
    """Remove one row; its history says who removed it and why, and stays. Same promises as `save`."""
    _check_kind(instance)
    with _whole(_using(instance)), writing_as(by, reason):
        _check_unchanged(instance, _locked(type(instance), [instance.pk], _using(instance)).get(instance.pk))
        instance.delete()


def deed(
    verb: str,
    target: models.Model | None = None,
    *,
    by: Any,
    for_site: Any = None,
    for_participant: Any = None,
    reveals_arm: bool = False,
    **details: Any,
) -> Deed:
    """Tell one deed: a line of the ledger that nobody can change.

    `for_site` (row or id) and `for_participant` (row or code) are taken from `target.deed_scope()` unless given.
    `reveals_arm` hides the line from those without the right to arms. `details` must be plain JSON values.
    """
    author, origin = author_of(by), current_origin()
    site_id, code = _scope(target)
    if for_site is not None:
        site_id = getattr(for_site, "pk", for_site)
    if for_participant is not None:
        code = getattr(for_participant, "code", for_participant)
    table, key, label = _name(target)
    line = Deed(
        verb=check_verb(verb),
        by_id=author.by_id,
        by_name=author.by_name,
        target_table=table,
        target_id=key,
        target_label=label,
        site_id=site_id,
        participant_code=code,
        at=clock.now(),
        ip=origin.ip,
        user_agent=origin.user_agent,
        reveals_arm=reveals_arm,
        details=details,
    )
    _append_one(line)
    return line


def _append_one(row: AppendOnlyModel) -> None:
    row.pk = insert(type(row), [vars(row)])[0]
    row._state.adding, row._state.db = False, router.db_for_write(type(row))


def reauthenticate(by: Any, password: str, *, target: models.Model | None = None) -> bool:
    """Is this the person's password? A wrong one stands in the ledger, whatever happens to the transaction."""
    if by is not None and by.check_password(password):
        return True
    log.warning("Wrong password for a signature: person %s", getattr(by, "pk", None))
    outside.tell("signature.refused", target, by=by)
    return False


@dataclass(frozen=True)
class Confirmation:
    """That a person typed their password again, for one signature that follows in the same transaction."""

    person_id: int


def confirm(by: Any, password: str, *, target: models.Model) -> Confirmation:
    """Look at the password of who is about to sign: before a lock that others wait for, since its hash takes long.

    Raises `Refused` as `sign` does.
    """
    if not reauthenticate(by, password, target=target):
        raise Refused(_("The password is not right. Nothing was signed."), code="wrong_password")
    return Confirmation(by.pk)


def sign(
    target: models.Model,
    *,
    by: Any,
    meaning: str,
    content: Any,
    password: str | Confirmation,
    statement: str = "",
    reveals_arm: bool = False,
) -> Signature:
    """Put a person's name under exactly `content`, after the password was typed again.

    `content` is what was shown, as plain JSON; it is kept whole with its hash. A wrong password raises `Refused`
    (code "wrong_password") and is told in the ledger. `reveals_arm` hides the line in the ledger as `deed` does.
    """
    confirmed = password if isinstance(password, Confirmation) else confirm(by, password, target=target)
    if confirmed.person_id != by.pk:
        raise ValueError("Somebody else confirmed this.")
    author = author_of(by)
    text = canonical(content)
    site_id, code = _scope(target)
    table, key, label = _name(target)
    with _whole(router.db_for_write(Signature)):
        signature = Signature(
            by_id=by.pk,
            by_name=author.by_name,
            meaning=str(meaning),
            statement=str(statement),
            signed_at=clock.now(),
            target_table=table,
            target_id=key,
            target_label=label,
            site_id=site_id,
            participant_code=code,
            content=json.loads(text),
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        _append_one(signature)
        deed("signature.given", target, by=by, reveals_arm=reveals_arm, meaning=str(meaning), signature=signature.pk)
    return signature


def canonical(content: Any) -> str:
    """One text per content: sorted keys, no spaces, UTF-8, dates in ISO form; NaN and infinity are refused."""
    plain = json.loads(json.dumps(content, cls=DjangoJSONEncoder, allow_nan=False))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(content: Any) -> str:
    """The SHA-256, in hexadecimal, of the canonical text of `content`."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _whole(using: str) -> AbstractContextManager[Any]:
    """A transaction, begun unless one is open: then an error undoes all of it, and no savepoint is spent on this part.

    What is refused here is refused before anything is written.
    """
    return nullcontext() if connections[using].in_atomic_block else transaction.atomic(using=using)


def _using(instance: models.Model) -> str:
    return router.db_for_write(type(instance), instance=instance)


def _check_kind(instance: Any) -> None:
    if not isinstance(instance, AuditedModel):
        raise TypeError(f"{type(instance).__name__} is not audited: audit.save writes audited rows only.")


def _check_plain_values(instance: AuditedModel) -> None:
    for field in instance._meta.concrete_fields:
        value = instance.__dict__.get(field.attname)
        if hasattr(value, "resolve_expression") and not isinstance(value, models.expressions.DatabaseDefault):
            raise TypeError(f"{instance._meta.label}.{field.name}: audited values are plain values, not expressions.")


def _locked(model: type[M], keys: list[Any], using: str) -> dict[Any, M]:
    """The rows as they stand, locked against other writers but not against references, in key order."""
    return {row.pk: row for row in _locking(model, using)(tuple(keys))}


@cache
def _locking(model: type[M], using: str) -> Callable[[tuple[Any, ...]], list[M]]:
    def locked(keys: tuple[Any, ...]) -> QuerySet[M]:
        rows = model._base_manager.using(using).select_for_update(no_key=True, of=("self",))
        return rows.filter(pk__in=keys).order_by("pk")

    return prepared(locked)


def _check_unchanged(instance: AuditedModel, current: AuditedModel | None) -> None:
    """`Conflict` if the row is gone or differs from what the instance was read as."""
    if current is None:
        raise Conflict(_("This was removed by someone else in the meantime."))
    as_read = instance.__dict__.get("_as_read", {})
    elsewhere = [
        field.name
        for field in instance._meta.concrete_fields
        if field.attname in as_read and as_read[field.attname] != _bare(getattr(current, field.attname))
    ]
    if elsewhere:
        raise Conflict(
            _("This was changed by someone else in the meantime. Nothing was overwritten."),
            fields=elsewhere,
            current=current,
        )


def _settle(instance: AuditedModel, current: AuditedModel | None) -> list[str]:
    """Check against the row as it stands, fill what was not read, and name the fields that the save changes."""
    _check_unchanged(instance, current)
    _check_plain_values(instance)
    deferred = instance.get_deferred_fields()
    changed = []
    moving = []
    for field in instance._meta.concrete_fields:
        stands = _bare(getattr(current, field.attname))
        if field.attname in deferred:
            setattr(instance, field.attname, stands)
        elif getattr(field, "auto_now", False):
            moving.append(field.name)
        elif _differs(field, getattr(instance, field.attname), stands):
            changed.append(field.name)
    return changed + moving if changed else []


def _bare(value: Any) -> Any:
    """Bytes compare; the driver's memory views do not."""
    return bytes(value) if isinstance(value, memoryview) else value


def _differs(field: models.Field, value: Any, stands: Any) -> bool:
    if isinstance(field, models.FileField):
        return not getattr(value, "_committed", True) or str(value or "") != str(stands or "")
    return bool(stored_value(field, value) != stands)


def _scope(target: models.Model | None) -> tuple[int | None, str | None]:
    scope = getattr(target, "deed_scope", None)
    return scope() if scope is not None else (None, None)


def _name(target: models.Model | None) -> tuple[str, str, str]:
    if target is None:
        return "", "", ""
    return target._meta.db_table, str(target.pk), str(target)[:300]
