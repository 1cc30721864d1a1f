"""Addresses of allocation and registration, below /api/v1/."""

from django.urls import path

from . import views

urlpatterns = [
    path("participants/<str:code>/allocation/", views.AllocationView.as_view(), name="api_allocation"),
    path("participants/<str:code>/registration/", views.RegistrationView.as_view(), name="api_registration"),
]
