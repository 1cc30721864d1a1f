# One image for web, worker, beat and migrations; docker-compose.yml names the command of each.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=config.settings
WORKDIR /srv/stratum

# What is mounted here belongs to the user that runs: nothing runs as root.
RUN useradd --system --uid 10001 --home-dir /nonexistent stratum \
    && install -d -o stratum -g stratum /var/lib/stratum/files /var/lib/stratum/beat

COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

COPY . .
RUN python -m config.messages && python manage.py collectstatic --no-input --verbosity 0

USER stratum
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi:application"]
