"""Refusals become words, each with its status."""

from __future__ import annotations

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.test import RequestFactory

from audit.errors import Conflict, Refused
from trial.views.refusals import RefusalMiddleware, attempt, back_url, status_of

from .helpers import words


class Form(forms.Form):
    day = forms.CharField()


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (Refused("no", code="permission.record.sign"), 403),
        (Refused("no", code="hidden"), 404),
        (Conflict("changed"), 409),
        (Refused("not now"), 422),
        (Refused("not now", code="reason_needed"), 422),
    ],
)
@pytest.mark.django_db
def test_each_refusal_has_its_status_and_its_words(refused, status):
    """TRIAL-120: 403, 404, 409, 422; page, htmx fragment and JSON all carry the words."""
    assert status_of(refused) == status
    middleware = RefusalMiddleware(lambda request: HttpResponse())

    def ask(**headers):
        from django.contrib.auth.models import AnonymousUser

        request = RequestFactory().get("/x/", headers=headers)
        request.user = AnonymousUser()
        request._messages = []
        return middleware.process_exception(request, refused)

    page = ask()
    assert page.status_code == status
    assert str(refused) in words(page)
    fragment = ask(hx_request="true")
    assert fragment.status_code == status
    assert fragment["HX-Retarget"] == "#messages"
    assert "<html" not in words(fragment)
    script = ask(accept="application/json")
    assert (script.status_code, script["Content-Type"]) == (status, "application/json")


def test_a_bug_goes_on_rising():
    """TRIAL-121: only refusals become pages."""
    middleware = RefusalMiddleware(lambda request: HttpResponse())
    assert middleware.process_exception(RequestFactory().get("/"), ValueError("bug")) is None
    with pytest.raises(ZeroDivisionError), attempt(Form({"day": "x"})):
        raise ZeroDivisionError


def test_a_refused_form_keeps_what_was_typed():
    """TRIAL-122: the refusal is an error of the form, whose fields are as typed; the status is the refusal's."""
    form = Form({"day": "14/03/2026"})
    assert form.is_valid()
    tried = attempt(form)
    assert (tried.done, tried.status) == (False, 200)
    with tried:
        raise Refused("Not now.")
    assert (tried.done, tried.status) == (False, 422)
    assert form.non_field_errors() == ["Not now."]
    assert form["day"].value() == "14/03/2026"


def test_what_went_through_is_done():
    """TRIAL-122: done only after the block ran; a form that is not valid is 422."""
    tried = attempt(Form({"day": "x"}))
    with tried:
        pass
    assert tried.done
    assert attempt(Form({})).status == 422
    assert attempt(Form()).status == 200


def test_a_weak_password_stands_at_its_field():
    """TRIAL-122: a ValidationError of an action belongs to the named field."""
    form = Form({"day": "x"})
    assert form.is_valid()
    tried = attempt(form, "day")
    with tried:
        raise ValidationError(["Too short.", "Too common."])
    assert not tried.done
    assert form.errors["day"] == ["Too short.", "Too common."]
    assert tried.status == 422


@pytest.mark.parametrize(
    ("referrer", "back"),
    [
        ("http://testserver/participants/?site=01", "/participants/?site=01"),
        ("http://testserver/x/", ""),
        ("https://evil.example/", ""),
        ("", ""),
    ],
)
def test_the_way_back_is_a_page_of_ours(referrer, back):
    """TRIAL-123: never to another site, never to the page itself."""
    assert back_url(RequestFactory().get("/x/", headers={"referer": referrer})) == back


@pytest.mark.parametrize("address", ["/nowhere/", "/participants/99-001/"])
@pytest.mark.django_db
def test_in_debug_too_nothing_found_is_our_page(cast, settings, address):
    """TRIAL-960: the demo runs in debug; whoever mistypes an address reads our words and no list of addresses."""
    settings.DEBUG = True
    answer = cast.client_of(cast.theo_coordinator).get(address)
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "URLconf" not in page
    assert "errors/404.html" in [template.name for template in answer.templates]
