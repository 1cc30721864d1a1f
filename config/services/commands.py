"""The commands that run Stratum, one place for all: the demo and the tests start them, docker-compose.yml names them.

Each is a list of words beginning with `python`. Everything that differs between places comes from the environment:
`BIND`, `WEB_CONCURRENCY`, `WEB_THREADS`, `WORKER_CONCURRENCY`, `BEAT_SCHEDULE`, `LOG_LEVEL`.
"""

WEB = ["python", "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi:application"]
WORKER = ["python", "-m", "celery", "--app", "config.celery", "worker", "--without-gossip", "--without-mingle"]
WORKER += ["--loglevel", "info"]
BEAT = ["python", "-m", "celery", "--app", "config.celery", "beat", "--pidfile=", "--loglevel", "info"]
MIGRATE = ["python", "manage.py", "migrate", "--no-input"]

RUNNING = {"web": WEB, "worker": WORKER, "beat": BEAT}
