"""Addresses of the trial's API, below /api/v1/."""

from django.urls import path

from . import views

urlpatterns = [
    path("me/", views.MeView.as_view(), name="api_me"),
    path("study/", views.StudyView.as_view(), name="api_study"),
    path("study/forms/", views.FormsView.as_view(), name="api_study_forms"),
    path("study/forms/<str:form>/", views.FormView.as_view(), name="api_study_form"),
    path("study/visits/", views.VisitPlanView.as_view(), name="api_study_visits"),
    path("participants/", views.ParticipantsView.as_view(), name="api_participants"),
    path("participants/<str:code>/", views.ParticipantView.as_view(), name="api_participant"),
    path("participants/<str:code>/visits/", views.VisitsView.as_view(), name="api_visits"),
    path("participants/<str:code>/visits/<int:visit_id>/", views.VisitView.as_view(), name="api_visit"),
]
