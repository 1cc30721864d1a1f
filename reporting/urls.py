"""Addresses of the reporting room."""

from django.urls import path

from .views import consort, documents, exports, overview, trails

urlpatterns = [
    path("exports/", exports.exports_list, name="exports"),
    path("exports/new/", exports.export_new, name="export_new"),
    path("exports/<int:export_id>/progress/", exports.export_progress, name="export_progress"),
    path("exports/<int:export_id>/download/", exports.export_download, name="export_download"),
    path("randomization/<int:pk>/commitment.pdf", documents.commitment_pdf, name="list_commitment_pdf"),
    path("randomization/<int:pk>/emergency.zip", documents.emergency_pages, name="emergency_pages"),
    path("randomization/<int:pk>/emergency/halves.pdf", documents.emergency_halves, name="emergency_halves"),
    path("participants/<str:code>/allocation.pdf", documents.allocation_pdf, name="allocation_pdf"),
    path("participants/<str:code>/registration.pdf", documents.registration_pdf, name="registration_pdf"),
    path("randomization/simulation/report.pdf", documents.simulation_pdf, name="simulation_pdf"),
    path("randomization/<int:pk>/simulation.pdf", documents.list_simulation_pdf, name="list_simulation_pdf"),
    path("audit/", trails.audit_trail, name="audit_trail"),
    path("audit/export/", trails.audit_trail_csv, name="audit_trail_csv"),
    path("consort/", consort.consort, name="consort"),
    path("consort/arms/", consort.consort_by_arm, name="consort_by_arm"),
    path("overview/", overview.overview, name="overview"),
]
