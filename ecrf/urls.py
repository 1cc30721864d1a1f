"""Addresses of the eCRF: the casebook, eligibility, and what stands below a record."""

from django.urls import include, path

from .views import casebook, eligibility

urlpatterns = [
    path("participants/<str:code>/", casebook.casebook, name="casebook"),
    path("participants/<str:code>/eligibility/", eligibility.eligibility, name="eligibility"),
    path("", include("ecrf.urls_records")),
]
