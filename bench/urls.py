"""Every address of Stratum, and the least that a page for a signed-in person can be."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from config.urls import handler403, handler404, handler500


def minimal(request: HttpRequest) -> HttpResponse:
    """Session, person, delegations and the frame of every page, with nothing in it."""
    return render(request, "base.html")


urlpatterns = [path("bench/minimal/", minimal, name="minimal"), path("", include("config.urls"))]

__all__ = ["handler403", "handler404", "handler500", "urlpatterns"]
