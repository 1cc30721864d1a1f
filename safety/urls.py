"""Addresses of the safety room."""

from django.urls import path

from .views import cases, terms

urlpatterns = [
    path("safety/", cases.safety, name="safety"),
    path("safety/<int:case_id>/receive/", cases.receive, name="safety_receive"),
    path("terms/<str:dictionary>/", terms.terms, name="terms"),
]
