"""Addresses of the reporting room."""

from django.urls import path

from .views import documents, exports, overview, trails

urlpatterns = [
    path("exports/", exports.exports_list, name="exports"),
    path("exports/new/", exports.export_new, name="export_new"),
    path("exports/<int:export_id>/progress/", exports.export_progress, name="export_progress"),
    path("exports/<int:export_id>/download/", exports.export_download, name="export_download"),
    path("randomization/<int:pk>/emergency.zip", documents.emergency_pages, name="emergency_pages"),
    path("randomization/<int:pk>/emergency/halves.pdf", documents.emergency_halves, name="emergency_halves"),
    path("participants/<str:code>/allocation.pdf", documents.allocation_pdf, name="allocation_pdf"),
    path("audit/", trails.audit_trail, name="audit_trail"),
    path("audit/export/", trails.audit_trail_csv, name="audit_trail_csv"),
    path("overview/", overview.overview, name="overview"),
]
