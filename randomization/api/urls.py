"""Addresses of allocation, below /api/v1/."""

from django.urls import path

from . import views

urlpatterns = [
    path("participants/<str:code>/allocation/", views.AllocationView.as_view(), name="api_allocation"),
]
