"""Addresses of the trial's pages. Names are not in a namespace: every room links by name."""

from django.conf import settings
from django.urls import path

from .views import account, consents, home, notices, participants, people, signing_in, sites, study, visits

urlpatterns = [
    path("login/", signing_in.sign_in, name="sign_in"),
    path("logout/", signing_in.sign_out, name="sign_out"),
    path("policy/", signing_in.accept_policy, name="policy"),
    path("keepalive/", signing_in.keepalive, name="keepalive"),
    path("language/", signing_in.language, name="language"),
    path("theme/", signing_in.theme, name="theme"),
    path("", home.home, name="home"),
    path("participants/", participants.participants_list, name="participants"),
    path("participants/screen/", participants.screen, name="participant_screen"),
    path("screening/", participants.screening_log, name="screening_log"),
    path("screening/<str:code>/close/", participants.screening_close, name="screening_close"),
    path("screening/<str:code>/reopen/", participants.screening_reopen, name="screening_reopen"),
    path("screening/<str:code>/again/", participants.screen_again, name="screening_again"),
    path("participants/<str:code>/status/", participants.status, name="participant_status"),
    path("participants/<str:code>/status/reverse/", participants.status_reverse, name="participant_status_reverse"),
    path("participants/<str:code>/transfer/", participants.transfer, name="participant_transfer"),
    path("participants/<str:code>/consents/", consents.of_participant, name="participant_consents"),
    path("study/consents/", consents.documents, name="consent_documents"),
    path("participants/<str:code>/visits/add/", visits.add, name="visit_add"),
    path("participants/<str:code>/visits/<int:visit_id>/", visits.visit, name="visit"),
    path("notices/", notices.inbox, name="notices"),
    path("notices/seen/", notices.seen, name="notices_seen"),
    path("people/", people.people_list, name="people"),
    path("people/new/", people.new, name="person_new"),
    path("people/<int:person_id>/", people.person, name="person"),
    path("people/<int:person_id>/delegate/", people.delegate, name="delegation_new"),
    path("people/<int:person_id>/password/", people.password, name="person_password"),
    path("people/<int:person_id>/close/", people.close, name="person_close"),
    path("delegations/<int:delegation_id>/end/", people.delegation_end, name="delegation_end"),
    path("sites/", sites.sites_list, name="sites"),
    path("sites/<str:number>/", sites.site, name="site"),
    path("study/", study.study, name="study"),
    path("study/versions/", study.versions, name="study_versions"),
    path("study/forms/<str:form_id>/", study.form, name="study_form"),
    path("study/forms/<str:form_id>/items/<str:item_id>/", study.item, name="study_item"),
    path("account/", account.account, name="account"),
]

if settings.DEBUG:
    urlpatterns.append(path("outbox/", notices.outbox, name="outbox"))
