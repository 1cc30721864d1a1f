"""The API's addresses together: every room's below /api/v1/, the schema beside them, and a page to read and try it."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from trial.api.edge import View
from trial.api.problems import problem


class NowhereView(View):
    """JSON for an address that the API does not have, whoever asks and however."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request, **address: str) -> Response:
        """404."""
        return problem(404, "not_found", "There is no such address in this API.")

    post = put = patch = delete = get


class DocsView(SpectacularSwaggerSplitView):
    """Swagger from our own static files, its script apart from its page, so that the strict policy holds."""

    template_name = "api/docs.html"
    title = "Stratum API"
    url_name = "api_schema"


docs: Any = DocsView.as_view()
docs.login_required = True  # a page for people: who is signed out goes to the sign-in page

urlpatterns = [
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/v1/", include("trial.api.urls")),
    path("api/v1/", include("ecrf.api.urls")),
    path("api/v1/", include("randomization.api.urls")),
    path("api/docs/", docs, name="api_docs"),
    path("api/<path:rest>", NowhereView.as_view()),
]
