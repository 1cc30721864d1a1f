import time, cProfile, pstats, collections
from tests.cast import Cast
from randomization.models import Allocation
def test_many(cast):
    cast.list_in_use()
    fails=[]
    t=time.time()
    pr=cProfile.Profile()
    for i in range(24):
        if i==4: pr.enable()
        if i==8: pr.disable()
        p=cast.screened(site=cast.site)
        try:
            cast.randomized(p)
        except Exception as e:
            fails.append((p.code, repr(e)[:600]))
    print((time.time()-t)/24)
    for f in fails: print(f)
    pstats.Stats(pr).sort_stats('cumtime').print_stats(70)
    assert not fails
