"""Addresses of records, queries and eligibility, below /api/v1/: those of the pages."""

from django.urls import path

from . import views

OF = "participants/<str:code>/"

urlpatterns = [
    path(f"{OF}records/", views.RecordsView.as_view(), name="api_records"),
    path(f"{OF}visits/<int:visit_id>/forms/<str:form>/", views.VisitRecordView.as_view(), name="api_record"),
    path(
        f"{OF}visits/<int:visit_id>/forms/<str:form>/files/",
        views.VisitRecordFilesView.as_view(),
        name="api_record_files",
    ),
    path(f"{OF}log/<str:form>/files/", views.LogFilesView.as_view(), name="api_log_files"),
    path(f"{OF}log/<str:form>/<int:number>/files/", views.EntryFilesView.as_view(), name="api_entry_files"),
    path(f"{OF}log/<str:form>/", views.LogView.as_view(), name="api_log"),
    path(f"{OF}log/<str:form>/<int:number>/", views.EntryView.as_view(), name="api_entry"),
    path(f"{OF}eligibility/", views.EligibilityView.as_view(), name="api_eligibility"),
    path("queries/", views.QueriesView.as_view(), name="api_queries"),
    path("queries/<int:query_id>/", views.QueryView.as_view(), name="api_query"),
    path("queries/<int:query_id>/answer/", views.AnswerView.as_view(), name="api_query_answer"),
]
