"""Every address of Stratum; each room adds its own `urls` below."""

from importlib.util import find_spec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path

from config.gallery import gallery_data
from config.health import healthz


def gallery(request: HttpRequest) -> HttpResponse:
    """Show every component of the design system."""
    return render(request, "gallery.html", {"gallery_data": gallery_data()})


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("gallery/", gallery, name="gallery"),
    *[
        path("", include(module))
        for module in ("trial.urls", "ecrf.urls", "randomization.urls", "safety.urls", "reporting.urls", "config.api")
        if find_spec(module)
    ],
]

handler403 = "trial.views.errors.forbidden"
handler404 = "trial.views.errors.not_found"
handler500 = "trial.views.errors.failed"
