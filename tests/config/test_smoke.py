import pytest
from django.db import connection

def test_one(): assert 1

@pytest.mark.django_db
def test_db():
    with connection.cursor() as c:
        c.execute("select current_user, current_database()"); print(c.fetchone())

@pytest.mark.django_db(transaction=True)
def test_db2(database_clone):
    print(database_clone)

def test_web(page):
    r = page.goto("/healthz"); print(page.content()); assert r.status == 503
