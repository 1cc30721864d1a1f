import datetime as dt, os, pytest, json
from audit import clock
from django.conf import settings
from ecrf.actions.records import Where
from ecrf.actions import data_queries
from trial.actions import visits
from trial.models import Participant, Visit
from trial.definitions import forget_definitions

OUT = "/tmp/shots"
os.makedirs(OUT, exist_ok=True)


def story(cast):
    now = clock.now()
    with clock.simulated(now - dt.timedelta(days=215)):
        p = cast.randomized()
    p = Participant.objects.select_related("site").get(pk=p.pk)
    for v in list(Visit.objects.filter(participant=p).exclude(event="SCR").order_by("planned_on")):
        if v.planned_on is None or v.planned_on > clock.today():
            continue
        if v.event == "M3":
            pass
        if v.event == "M6":
            continue
        at = dt.datetime.combine(v.planned_on, dt.time(10), tzinfo=dt.timezone.utc)
        with clock.simulated(at):
            visits.record_date(visit=v, on=v.planned_on, by=cast.theo_coordinator)
            v.refresh_from_db()
            v.participant = p
            for form in cast.definition.visit(v.event).forms:
                if v.event == "M3" and form in ("quality_of_life", "tumour_assessment"):
                    continue
                try:
                    cast.save(Where(p, form, visit=v), {}, complete=True)
                except Exception as e:
                    print("could not", v.event, form, type(e), str(e)[:200], getattr(e, "errors", ""))
    for form in ("adverse_event", "systemic_treatment", "srt_course", "concomitant_medication"):
        for d in (150, 90, 40):
            with clock.simulated(now - dt.timedelta(days=d)):
                try:
                    cast.save(Where(p, form), {}, complete=True)
                except Exception as e:
                    print(
                        "could not",
                        form,
                        type(e),
                        str(e)[:200],
                        [str(x.message) + x.item for x in getattr(e, "errors", [])][:5],
                    )
                    try:
                        cast.save(Where(p, form), {}, complete=False)
                    except Exception as e:
                        print("nor", e)
    v = cast.visit(p, "SCR")
    data_queries.ask(where=Where(p, "laboratory", visit=v), text="Please confirm.", by=cast.mona_monitor)
    return p


@pytest.mark.django_db(transaction=True)
def test_shots(server, context, settings):
    forget_definitions()
    from tests.cast import Cast

    cast = Cast()
    clock_ok = True
    p = story(cast)
    with clock.simulated(clock.now() - dt.timedelta(days=5)):
        s = cast.screened()
        c = cast.consented()
        b = cast.baseline_done()
        e = cast.eligible()
    l = cast.list_in_use()
    pages = {
        "casebook_rand": (cast.ines_investigator, f"/participants/{p.code}/"),
        "casebook_blind": (cast.paul_sponsor, f"/participants/{p.code}/"),
        "casebook_new": (cast.theo_coordinator, f"/participants/{c.code}/"),
        "casebook_ready": (cast.theo_coordinator, f"/participants/{e.code}/"),
        "elig_new": (cast.theo_coordinator, f"/participants/{c.code}/eligibility/"),
        "elig_base": (cast.ines_investigator, f"/participants/{b.code}/eligibility/"),
        "elig_done": (cast.ines_investigator, f"/participants/{e.code}/eligibility/"),
        "rand_ready": (cast.theo_coordinator, f"/participants/{e.code}/randomize/"),
        "rand_no": (cast.theo_coordinator, f"/participants/{c.code}/randomize/"),
        "alloc": (cast.theo_coordinator, f"/participants/{p.code}/allocation/"),
        "lists": (cast.stella_statistician, "/randomization/"),
        "list_new": (cast.stella_statistician, "/randomization/new/"),
        "list": (cast.ursula_statistician, f"/randomization/{l.pk}/"),
        "home": (cast.theo_coordinator, "/"),
    }
    only = os.environ.get("ONLY")
    page = context.new_page()
    page.on("console", lambda m: print("console", m.type, m.text[:200]) if m.type in ("error", "warning") else None)
    for name, (who, url) in pages.items():
        if only and name not in only.split(","):
            continue
        cl = cast.client_of(who)
        context.clear_cookies()
        for k, m in cl.cookies.items():
            context.add_cookies([{"name": k, "value": m.value, "url": server.url}])
        for width in (1280, 390):
            for theme in ("light", "dark"):
                if os.environ.get("FAST") and (theme == "dark" or width == 390):
                    continue
                context.add_cookies([{"name": "theme", "value": theme, "url": server.url}])
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(url)
                page.screenshot(path=f"{OUT}/{name}_{width}_{theme}.png", full_page=True)
    assert not server.errors, server.errors
