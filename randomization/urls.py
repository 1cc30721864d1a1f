"""Addresses of randomization: a participant's allocation, and the lists."""

from django.urls import path

from .views import allocations, corrections, emergency, followups, inclusions, lists, progress, simulations

urlpatterns = [
    path("participants/<str:code>/randomize/", allocations.randomize, name="randomize"),
    path("participants/<str:code>/allocation/", allocations.allocation, name="allocation"),
    path("participants/<str:code>/register/", inclusions.register, name="register"),
    path("participants/<str:code>/registration/", inclusions.registration, name="registration"),
    path("participants/<str:code>/identity/", inclusions.identity, name="identity"),
    path("participants/<str:code>/version/", inclusions.adopt, name="adopt_version"),
    path("participants/<str:code>/in-error/", followups.randomized_in_error, name="randomized_in_error"),
    path("participants/<str:code>/treatment/", followups.treatment, name="treatment"),
    path("randomization/differences/", followups.differences, name="differences"),
    path("participants/<str:code>/emergency/", emergency.reconcile, name="emergency_reconcile"),
    path("randomization/<int:pk>/emergency/", emergency.slots, name="emergency"),
    path("randomization/", lists.lists, name="lists"),
    path("randomization/new/", lists.list_new, name="list_new"),
    path("randomization/simulation/", simulations.simulation, name="simulation"),
    path("randomization/<int:pk>/progress/", progress.list_progress, name="list_progress"),
    path("randomization/<int:pk>/simulate/", simulations.list_simulate, name="list_simulate"),
    path("randomization/<int:pk>/simulation/", simulations.list_simulation, name="list_simulation"),
    path("randomization/<int:pk>/", lists.list_detail, name="list_detail"),
    path("randomization/<int:pk>/approve/", lists.list_approve, name="list_approve"),
    path("randomization/<int:pk>/use/", lists.list_use, name="list_use"),
    path("randomization/<int:pk>/parameters/", lists.list_parameters, name="list_parameters"),
    path("randomization/<int:pk>/corrections/new/", corrections.correction_new, name="list_correction_new"),
    path("randomization/<int:pk>/corrections/<int:number>/", corrections.correction, name="list_correction"),
    path(
        "randomization/<int:pk>/corrections/<int:number>/approve/",
        corrections.correction_approve,
        name="list_correction_approve",
    ),
    path(
        "randomization/<int:pk>/corrections/<int:number>/reject/",
        corrections.correction_reject,
        name="list_correction_reject",
    ),
    path(
        "randomization/<int:pk>/corrections/<int:number>/take-back/",
        corrections.correction_take_back,
        name="list_correction_take_back",
    ),
    path("randomization/<int:pk>/close/", lists.list_close, name="list_close"),
    path("randomization/<int:pk>/balance/", lists.list_balance, name="list_balance"),
]
