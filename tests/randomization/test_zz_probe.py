import pytest, time, re
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse


@pytest.mark.django_db
def test_probe(cast):
    s = cast.screened()
    c = cast.consented()
    b = cast.baseline_done()
    j = cast.judged()
    e = cast.eligible()
    cast.list_in_use()
    r = cast.randomized()
    for p in (s, c, b, j, e, r):
        for who in (cast.theo_coordinator, cast.ines_investigator, cast.paul_sponsor, cast.mona_monitor):
            cl = cast.client_of(who)
            for name in ("casebook", "eligibility", "randomize", "allocation"):
                with CaptureQueriesContext(
                    connection,
                ) as q:
                    x = cl.get(reverse(name, args=[p.code]))
                print(p.code, p.status, who.given_name, name, x.status_code, len(q))
                if len(q) > 15:
                    for i in q.captured_queries:
                        print("   ", i["sql"][:150])
    l = cast.list_in_use()
    for who in (cast.stella_statistician, cast.ursula_statistician, cast.bruno_blinded, cast.theo_coordinator):
        cl = cast.client_of(who)
        for url in (reverse("lists"), reverse("list_new"), reverse("list_detail", args=[l.pk]), "/"):
            with CaptureQueriesContext(connection) as q:
                x = cl.get(url)
            print(who.given_name, url, x.status_code, len(q))
