"""Settings, all from the environment; importable with an empty environment (type checker, editors, `--help`).

The environment is read once, here. What each variable means:

DEBUG               true on a developer's machine and in the demo; false is the default
SECRET_KEY          required to run outside debug (a system check refuses, so that imports stay possible)
DATABASE_URL        PostgreSQL as the role `stratum_app`: web, worker, beat and every ordinary command
DATABASE_OWNER_URL  PostgreSQL as `stratum_owner`: migrations only (`manage.py` chooses, see `OWNER_COMMANDS` there)
STRATUM_ROLE        `app` (default) or `owner`: which of the two addresses this process uses
REDIS_URL           broker, cache and heartbeats; nothing is lost when it is lost
EMAIL_URL           smtp://, smtp+tls:// or smtp+ssl://; without it, mail is written to files in .data/mail
EMAIL_FROM          the sender of every message
STRATUM_KEYS        key-encryption keys for randomization lists, `id:base64` parted by commas, newest first
SITE_URL            the address that people type, used in e-mails
ALLOWED_HOSTS       host names, parted by commas
HTTPS               secure cookies, redirect and HSTS; true by default outside debug
MEDIA_ROOT          folder of finished exports (default .data/files)
STATIC_ROOT         folder that `collectstatic` fills (default staticfiles)
TRUSTED_PROXIES     number of reverse proxies in front (their X-Forwarded-For and -Proto are believed)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import environment

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / ".data"
env = environ.Env()

# --- The process -----------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
TESTING = False
INSECURE_KEY = "insecure-only-for-import"  # config.checks refuses it outside debug
SECRET_KEY = env.str("SECRET_KEY", default="") or INSECURE_KEY
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
STRATUM_KEYS = environment.keys(env.str("STRATUM_KEYS", default=""))
STRATUM_ROLE = env.str("STRATUM_ROLE", default="app")

SITE_URL = env.str("SITE_URL", default="http://localhost:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if urlsplit(SITE_URL).hostname and urlsplit(SITE_URL).hostname not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(str(urlsplit(SITE_URL).hostname))

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "simple_history",
    "django_htmx",
    "template_partials.apps.SimpleAppConfig",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
    "audit",
    "trial",
    "ecrf",
    "randomization",
    "safety",
    "reporting",
    "simulation",
    "config",
]

MIDDLEWARE = [
    "config.middleware.ClientAddressMiddleware",
    "audit.middleware.RequestOrigin",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "trial.middleware.SessionRenewal",
    "trial.middleware.PersonLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.NoStoreMiddleware",
    "trial.middleware.SignInRequired",
    "trial.views.refusals.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]

_LOADERS: list[Any] = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "builtins": ["template_partials.templatetags.partials", "trial.templatetags.components"],
            # `page.html#part` renders one partial of a page; what was compiled is kept, but for a developer.
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    _LOADERS if "runserver" in sys.argv else [("django.template.loaders.cached.Loader", _LOADERS)],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "trial.context_processors.frame",
            ],
        },
    }
]

# --- Database --------------------------------------------------------------------------------------------------

_database_url = env.str("DATABASE_URL", default="postgresql:///stratum")
if STRATUM_ROLE == "owner":
    _database_url = env.str("DATABASE_OWNER_URL", default="") or _database_url
DATABASES = {
    "default": {
        **environment.database(_database_url),
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=300),
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,  # actions own their transactions
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DISABLE_SERVER_SIDE_CURSORS", default=False),
    }
}

SIMPLE_HISTORY_DATE_INDEX = False  # history is ordered by history_id, never by date

# --- Redis: cache, heartbeats, broker ----------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
REDIS_TIMEOUT = 1.0  # seconds to connect or to be answered, so that a lost Redis never holds a page
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "stratum",
        "OPTIONS": {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        if not REDIS_URL.startswith("unix:")
        else {"socket_timeout": REDIS_TIMEOUT},
    }
}

# --- People, sessions, passwords ---------------------------------------------------------------------------------

AUTH_USER_MODEL = "trial.Person"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "trial.auth.Backend",
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_ENGINE = "trial.sessions"  # PostgreSQL is the truth: losing Redis signs nobody out
SESSION_IDLE = 30 * 60  # 30 minutes without a request end the session; pages warn two minutes before
SESSION_RENEWAL = 60  # … and a request begins them again, written down at most so often (trial.middleware)
SESSION_COOKIE_AGE = SESSION_IDLE + SESSION_RENEWAL
SESSION_SAVE_EVERY_REQUEST = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "stratum_session"
CSRF_COOKIE_HTTPONLY = True  # htmx takes the token from the page
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "stratum_csrf"

AXES_ENABLED = True
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_USERNAME_FORM_FIELD = "username"  # what the form sends; by default USERNAME_FIELD, and no lock-out would ever hold
AXES_USERNAME_CALLABLE = "audit.signals.name_for_axes"  # what was typed is kept as a keyed hash: it may be a password
AXES_DISABLE_ACCESS_LOG = True  # sign-ins and sign-outs stand in the ledger; axes would keep addresses in clear
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "password"]
AXES_LOCKOUT_CALLABLE = "trial.views.signing_in.locked_out"

# --- The browser is told to trust nothing ------------------------------------------------------------------------

HTTPS = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked by the container's own health check, without TLS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "trial.views.errors.csrf"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024**2
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # a grid of 200 rows × 60 items, and room

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Language and time -------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "stratum_language"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = "Europe/Paris"
USE_TZ = True
USE_I18N = True

# --- Files -------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(DATA_DIR / "files")))  # exports: never served by address
FILE_MAX_BYTES = env.int("FILE_MAX_MB", default=10) * 1_000_000  # of one file of an item
FILE_UPLOAD_HANDLERS = [
    "ecrf.uploads.LimitedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- E-mail ------------------------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="Stratum <stratum@localhost>")
EMAIL_TIMEOUT = 10
_email_url = env.str("EMAIL_URL", default="")
if _email_url:
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(DATA_DIR / "mail")

# --- API ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["trial.api.access.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["trial.api.access.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["trial.api.access.Throttle"],
    "EXCEPTION_HANDLER": "trial.api.problems.answer",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "trial.api.access.Page",
    "PAGE_SIZE": 50,
    "DEFAULT_VERSIONING_CLASS": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Stratum",
    "DESCRIPTION": "Participants, visits, records and allocation, under the same rules as the pages.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SWAGGER_UI_DIST": "SIDECAR",  # from our own static files, no CDN
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "EntryState": "ecrf.models.EntryState",
        "FindingState": "ecrf.models.FindingState",
        "QueryState": "ecrf.models.QueryState",
        "QueryKind": "ecrf.models.QueryKind",
        "FormKind": "trial.api.serializers.FORM_KINDS",
        "CriterionKind": "ecrf.api.serializers.CRITERION_KINDS",
    },
}

# --- Celery ------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = environment.broker(REDIS_URL)
CELERY_RESULT_BACKEND = None  # progress is a row; a result backend would hold `delay()` for 19 s when Redis is down
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 2 * 3600,  # seconds; longer than any task may run, or it would start twice
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "retry_on_timeout": False,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.5,
    "queue_order_strategy": "priority",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the worker waits for Redis as long as it takes
CELERY_TASK_PUBLISH_RETRY = False  # what could not be sent is found by the sweeper
CELERY_TASK_TIME_LIMIT = 100 * 60  # hard, below the visibility timeout
CELERY_TASK_SOFT_TIME_LIMIT = 90 * 60
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=2)
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "config.heartbeats:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = env.str("BEAT_SCHEDULE", default=str(DATA_DIR / "beat" / "schedule"))
CELERY_BEAT_MAX_LOOP_INTERVAL = 10  # seconds; the beat's own heartbeat is as old as this at most

# --- Logs: one JSON object a line, never a value, a name or a body -----------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(levelname)s %(name)s %(message)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": "time",  # ISO 8601, UTC
        },
        "plain": {"format": "%(levelname)s %(name)s: %(message)s"},
    },
    "filters": {"discreet": {"()": "config.logs.Discreet"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.str("LOG_FORMAT", default="plain" if DEBUG else "json"),
            "filters": ["discreet"],
        },
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        "django.db.backends": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
    },
}
