import pytest, time
@pytest.mark.django_db
def test_probe(cast):
    t=time.time(); p=cast.randomized(); print("randomized", time.time()-t, p.status, p.pathway)
