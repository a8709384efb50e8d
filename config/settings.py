"""Every setting, grouped, each value from the environment through `env`; `docs/settings.md` explains them.

Without NIGHTLIGHT_DEMO these are production's settings.
"""

import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from config.env import Environment
from streaming.providers.catalogue import CatalogueError, ModelSpec, read_models, single_model

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# --- The process ------------------------------------------------------------------------------------------

DEMO = env.flag("NIGHTLIGHT_DEMO")
DEBUG = env.flag("DEBUG")
STATE_DIR = Path(env.text("STATE_DIR", str(BASE_DIR / "var")))
HTTPS = env.flag("HTTPS", default=not DEMO)
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
DRAIN_SECONDS = env.seconds("DRAIN_SECONDS", 20)
REQUEST_THREADS = env.whole("REQUEST_THREADS", 4, least=1)
REQUEST_QUEUE = env.whole("REQUEST_QUEUE", 1000, least=1)


def _demo_secret(name: str, size: int) -> str:
    """Made once and kept, so that a second start of the demo keeps its sessions and its admin."""
    path = STATE_DIR / name
    if not path.exists():
        STATE_DIR.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(size))
    return path.read_text()


DEMO_ADMIN_PASSWORD = _demo_secret("admin_password", 9) if DEMO else ""
SECRET_KEY = env.text("SECRET_KEY") or (_demo_secret("secret_key", 64) if DEMO else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY must be set (50 random characters or more). For a first look without set-up: make run."
    )
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]") if DEMO else ())
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
# Each named in itself: whoever looks for theirs reads no other.
LANGUAGES = [
    ("en", "English"),
    ("es", "Español"),
    ("fr", "Français"),
    ("pt", "Português"),
    ("de", "Deutsch"),
    ("zh-hans", "简体中文"),
    ("ar", "العربية"),
    ("hi", "हिन्दी"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 60 * 60 * 24 * 365
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = HTTPS

# In cookies, so that no middleware has to load a session for a message.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

INSTALLED_APPS = [
    "chat",
    "safety",
    "streaming",
    "allauth",
    "allauth.account",
    "ninja",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.csp",
            ],
        },
    },
]

# --- Data -------------------------------------------------------------------------------------------------

DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{STATE_DIR / 'nightlight.sqlite3'}")
DATABASE_POOL_SIZE = env.whole("DATABASE_POOL_SIZE", 10, least=2)
DATABASE_THREADS = env.whole("DATABASE_THREADS", 4, least=1)


def _database() -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = dict(dj_database_url.parse(DATABASE_URL, conn_max_age=0))
    except ValueError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL must look like postgresql://user:password@host:5432/name?sslmode=require "
            "or sqlite:////absolute/path; its value does not. See docs/settings.md."
        ) from error
    options = dict(parsed.get("OPTIONS") or {})
    if parsed["ENGINE"] == "django.db.backends.sqlite3":
        STATE_DIR.mkdir(parents=True, exist_ok=True)
        # A write transaction takes its lock at the start: one that upgrades later fails instead of waiting.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA cache_size=-20000",
        }
        # Answers are saved from other threads, which an in-memory test database would not show them to.
        parsed["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}
        # A connection costs more than a query here, and there are only as many as threads.
        parsed["CONN_MAX_AGE"] = None
    elif parsed["ENGINE"] == "django.db.backends.postgresql":
        options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10, "num_workers": 1}
    return parsed | {"OPTIONS": options}


DATABASES = {"default": _database()}

REDIS_URL = env.address("REDIS_URL", schemes=("redis", "rediss", "unix"))
CACHES = {
    "default": {"BACKEND": "config.cache.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Django's 300 entries would let a flood of addresses push rate counters out.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- People -----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "chat.User"
AUTHENTICATION_BACKENDS = [
    "chat.accounts.ByName",
    "chat.accounts.ByAddress",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
GUEST_ACCESS = env.flag("GUEST_ACCESS", default=DEMO)
CONSENT_REQUIRED = env.flag("CONSENT_REQUIRED", default=True)
KEEP_DAYS = env.whole("KEEP_DAYS", 0)
DELETE_UNDO_SECONDS = env.seconds("DELETE_UNDO_SECONDS", 600)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.text("EMAIL_VERIFICATION", "optional")
if ACCOUNT_EMAIL_VERIFICATION not in ("none", "optional", "mandatory"):
    raise ImproperlyConfigured(
        "EMAIL_VERIFICATION must be none, optional or mandatory. See docs/settings.md."
    )

SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 90
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS

MAILERS = {
    "default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if DEMO
    else {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": env.text("EMAIL_HOST", "localhost"),
            "port": env.whole("EMAIL_PORT", 25, least=1),
            "username": env.text("EMAIL_HOST_USER"),
            "password": env.text("EMAIL_HOST_PASSWORD"),
            "use_tls": env.flag("EMAIL_USE_TLS"),
        },
    }
}
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "nightlight@localhost")

# --- Limits -----------------------------------------------------------------------------------------------

RATE_LIMIT_MESSAGES = env.rate("RATE_LIMIT_MESSAGES", "20/m")
RATE_LIMIT_GUEST_MESSAGES = env.rate("RATE_LIMIT_GUEST_MESSAGES", "10/m")
QUOTA_TOKENS_PER_DAY = env.whole_or_off("QUOTA_TOKENS_PER_DAY", 300_000)
QUOTA_GUEST_TOKENS_PER_DAY = env.whole_or_off("QUOTA_GUEST_TOKENS_PER_DAY", 100_000)
WEBSOCKET_MESSAGES = env.rate("WEBSOCKET_MESSAGES", "60/m")
SAFETY_DIR = Path(given) if (given := env.text("SAFETY_DIR", "")) else None
SAFETY_CACHE_DIR = Path(env.text("SAFETY_CACHE_DIR", str(STATE_DIR / "safety")))
SAFETY_WARM_UP = env.flag("SAFETY_WARM_UP", default=True)
MESSAGE_MAX_CHARS = env.whole("MESSAGE_MAX_CHARS", 8000, least=100)
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# django-ratelimit asks for a shared, atomic cache. Redis is one (W001 is about Django's Redis backend being
# unknown to it); LocMem is used only where there is one process, which lifespan makes sure of.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]

# --- The model --------------------------------------------------------------------------------------------

AZURE_OPENAI_ENDPOINT = env.address("AZURE_OPENAI_ENDPOINT")
AZURE_OPENAI_API_KEY = env.text("AZURE_OPENAI_API_KEY")
AZURE_OPENAI_DEPLOYMENT = env.text("AZURE_OPENAI_DEPLOYMENT", "gpt-4o-mini")
AZURE_OPENAI_API_VERSION = env.text("AZURE_OPENAI_API_VERSION")
OPENAI_BASE_URL = env.address("OPENAI_BASE_URL")
OPENAI_API_KEY = env.text("OPENAI_API_KEY")
OPENAI_MODEL = env.text("OPENAI_MODEL")
MODEL_LABEL = env.text("MODEL_LABEL")
MODEL_CONTEXT_WINDOW = env.whole("MODEL_CONTEXT_WINDOW", 128_000, least=1000)
MODEL_PLACE = env.text("MODEL_PLACE")
MODELS_FILE = env.text("MODELS_FILE")


def _models() -> tuple[ModelSpec, ...]:
    if not MODELS_FILE:
        return single_model(
            azure_endpoint=AZURE_OPENAI_ENDPOINT,
            azure_deployment=AZURE_OPENAI_DEPLOYMENT,
            azure_api_key=AZURE_OPENAI_API_KEY,
            azure_api_version=AZURE_OPENAI_API_VERSION,
            openai_base_url=OPENAI_BASE_URL,
            openai_model=OPENAI_MODEL,
            openai_api_key=OPENAI_API_KEY,
            label=MODEL_LABEL,
            context_window=MODEL_CONTEXT_WINDOW,
        )
    try:
        return read_models(Path(MODELS_FILE), env.environ)
    except CatalogueError as error:
        raise ImproperlyConfigured(f"MODELS_FILE: {error} See docs/models.md.") from error


MODELS = _models()
CONTEXT_TOKENS = env.whole("CONTEXT_TOKENS", 6000, least=500)
ANSWER_TOKENS = env.whole("ANSWER_TOKENS", 1200, least=50)
SUMMARY_AFTER_TOKENS = env.whole_or_off("SUMMARY_AFTER_TOKENS", 1500)
MODEL_TITLES = env.flag("MODEL_TITLES", default=True)
PROVIDER_CONNECT_TIMEOUT = env.seconds("PROVIDER_CONNECT_TIMEOUT", 5)
PROVIDER_IDLE_TIMEOUT = env.seconds("PROVIDER_IDLE_TIMEOUT", 60)
PROVIDER_TOTAL_TIMEOUT = env.seconds("PROVIDER_TOTAL_TIMEOUT", 120)
PROVIDER_ATTEMPTS = env.whole("PROVIDER_ATTEMPTS", 3, least=1)
BREAKER_FAILURES = env.whole("BREAKER_FAILURES", 5, least=1)
BREAKER_SECONDS = env.seconds("BREAKER_SECONDS", 30)
ANSWER_CACHE = env.flag("ANSWER_CACHE")
ANSWER_CACHE_SECONDS = env.seconds("ANSWER_CACHE_SECONDS", 7 * 24 * 60 * 60)

# --- Second opinions ---------------------------------------------------------------------------------------

SAFETY_ENGINES = env.names("SAFETY_ENGINES")
SAFETY_DEADLINE = env.whole("SAFETY_DEADLINE_MS", 300, least=1) / 1000
AZURE_CONTENT_SAFETY_ENDPOINT = env.address("AZURE_CONTENT_SAFETY_ENDPOINT")
AZURE_CONTENT_SAFETY_KEY = env.text("AZURE_CONTENT_SAFETY_KEY")
OPENAI_MODERATION_URL = env.address("OPENAI_MODERATION_URL", "https://api.openai.com/v1")
OPENAI_MODERATION_KEY = env.text("OPENAI_MODERATION_KEY")
LLAMA_GUARD_URL = env.address("LLAMA_GUARD_URL")
LLAMA_GUARD_MODEL = env.text("LLAMA_GUARD_MODEL")
LLAMA_GUARD_KEY = env.text("LLAMA_GUARD_KEY")
SAFETY_CLASSIFIER = env.text("SAFETY_CLASSIFIER")

# --- Streams ----------------------------------------------------------------------------------------------

COALESCE_SECONDS = env.whole("COALESCE_MS", 50) / 1000
COALESCE_TOKENS = env.whole("COALESCE_TOKENS", 64, least=1)
STREAM_KEEPALIVE = env.seconds("STREAM_KEEPALIVE", 15)
STREAM_LOG_TTL = env.seconds("STREAM_LOG_TTL", 600)
STREAM_PAD_BYTES = env.whole("STREAM_PAD_BYTES", 256)
STREAM_UNREAD_SECONDS = env.seconds("STREAM_UNREAD_SECONDS", PROVIDER_TOTAL_TIMEOUT)
CHECKPOINT_SECONDS = env.seconds("CHECKPOINT_SECONDS", 2)
SWEEP_SECONDS = env.seconds("SWEEP_SECONDS", 10)
STALE_SECONDS = env.seconds("STALE_SECONDS", 12)

# --- The browser ------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("htmx", BASE_DIR / "node_modules/htmx.org/dist"),
    ("fonts", BASE_DIR / "node_modules/@fontsource-variable/atkinson-hyperlegible-next/files"),
]
SERVESTATIC_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.VersionedStorage"},
}

SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "worker-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY") else None

# --- Logs -------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # Otherwise a line for every request to the model.
    "loggers": {"httpx2": {"level": "WARNING"}},
}
