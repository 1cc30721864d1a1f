"""Every address of Stratum; each room adds its own `urls` below."""

from django.urls import URLPattern, URLResolver, include, path

from config.health import healthz

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("", include("trial.urls")),
]

handler403 = "trial.views.errors.forbidden"
handler404 = "trial.views.errors.not_found"
handler500 = "trial.views.errors.failed"
