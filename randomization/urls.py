"""Addresses of randomization: a participant's allocation, and the lists."""

from django.urls import path

from .views import allocations, emergency, lists

urlpatterns = [
    path("participants/<str:code>/randomize/", allocations.randomize, name="randomize"),
    path("participants/<str:code>/allocation/", allocations.allocation, name="allocation"),
    path("participants/<str:code>/emergency/", emergency.reconcile, name="emergency_reconcile"),
    path("randomization/<int:pk>/emergency/", emergency.slots, name="emergency"),
    path("randomization/", lists.lists, name="lists"),
    path("randomization/new/", lists.list_new, name="list_new"),
    path("randomization/<int:pk>/", lists.list_detail, name="list_detail"),
    path("randomization/<int:pk>/approve/", lists.list_approve, name="list_approve"),
    path("randomization/<int:pk>/use/", lists.list_use, name="list_use"),
    path("randomization/<int:pk>/hold/", lists.list_hold, name="list_hold"),
    path("randomization/<int:pk>/resume/", lists.list_resume, name="list_resume"),
    path("randomization/<int:pk>/close/", lists.list_close, name="list_close"),
    path("randomization/<int:pk>/balance/", lists.list_balance, name="list_balance"),
]
