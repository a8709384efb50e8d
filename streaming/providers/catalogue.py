"""The models that people may choose, as the models file names them. Pure: text in, frozen specs out.

`docs/models.md` shows the file. Real providers are built at the end, where the SDK is imported only when
needed: the settings read this module in every process.
"""

import re
import tomllib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from streaming.events import ErrorCode
from streaming.providers.base import Completion, Delta, Finish, PromptMessage, Provider, ProviderError
from streaming.providers.routing import Deployment, Route

DOCUMENT = "docs/models.md"


class CatalogueError(ValueError):
    """The models file cannot be used; the message names the entry and says what to do."""


@dataclass(frozen=True, slots=True)
class DeploymentSpec:
    """One place that answers for a model. `address`: an Azure endpoint, or a base URL that ends in `/v1`.

    `target` is the deployment's (Azure) or the model's name there. Without `api_key` Azure is signed in to
    through Entra ID.
    """

    name: str
    kind: Literal["azure", "compatible", "none"]
    address: str = ""
    target: str = ""
    api_key: str = field(default="", repr=False)
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that people may choose. Prices are per million tokens, in `currency`; None where not said."""

    id: str
    label: str
    context_window: int
    price_in: Decimal | None
    price_out: Decimal | None
    deployments: tuple[DeploymentSpec, ...]
    currency: str = ""
    default: bool = False


def default_model(models: Sequence[ModelSpec]) -> ModelSpec:
    return next((model for model in models if model.default), models[0])


# --- The models file ----------------------------------------------------------------------------------------

_MODEL_KEYS = frozenset({"id", "label", "context_window", "price_in", "price_out", "default", "deployment"})
_DEPLOYMENT_KEYS = {
    "azure": frozenset({"name", "kind", "endpoint", "deployment", "api_key_env", "api_version"}),
    "compatible": frozenset({"name", "kind", "base_url", "model", "api_key_env"}),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def read_models(path: Path, environ: Mapping[str, str]) -> tuple[ModelSpec, ...]:
    """The models in a file. Raises `CatalogueError`, also where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"The models file {path} cannot be read: {error}.") from None
    try:
        return parse_models(text, environ)
    except CatalogueError as error:
        raise CatalogueError(f"{path}: {error}") from None


def parse_models(text: str, environ: Mapping[str, str]) -> tuple[ModelSpec, ...]:
    """The models that TOML `text` lists, at least one, exactly one of them the default.

    Keys of APIs stand in `environ`, never in the file.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"this is not TOML: {error}.") from None
    _refuse_unknown("the file", document, frozenset({"currency", "model"}))
    currency = _text("the file", document, "currency", "")
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        raise CatalogueError(f'currency must be three capital letters, as "USD"; {currency!r} is not.')
    models = [
        _model(number, table, currency, environ)
        for number, table in enumerate(_tables("the file", document, "model"), 1)
    ]
    _refuse_duplicates("model id", [model.id for model in models])
    _refuse_duplicates("deployment name", [spec.name for model in models for spec in model.deployments])
    return _with_default(models)


def _model(number: int, table: Mapping[str, Any], currency: str, environ: Mapping[str, str]) -> ModelSpec:
    entry = f"model {table.get('id') or number}"
    _refuse_unknown(entry, table, _MODEL_KEYS)
    id_ = _name(entry, table, "id")
    window = table.get("context_window")
    if not isinstance(window, int) or isinstance(window, bool) or window < 1000:
        raise CatalogueError(f"{entry}: context_window must be a whole number of tokens, at least 1000.")
    if not isinstance(table.get("default", False), bool):
        raise CatalogueError(f"{entry}: default must be true or false.")
    prices = [_price(entry, table, key) for key in ("price_in", "price_out")]
    if (prices[0] is None) != (prices[1] is None):
        raise CatalogueError(f"{entry}: give price_in and price_out, or neither.")
    if prices[0] is not None and not currency:
        raise CatalogueError(f'{entry}: prices need a currency at the top of the file: currency = "USD".')
    return ModelSpec(
        id=id_,
        label=_text(entry, table, "label", id_),
        context_window=window,
        price_in=prices[0],
        price_out=prices[1],
        deployments=tuple(
            _deployment(entry, place, spec, environ)
            for place, spec in enumerate(_tables(entry, table, "deployment"), 1)
        ),
        currency=currency if prices[0] is not None else "",
        default=table.get("default", False),
    )


def _deployment(
    model: str, number: int, table: Mapping[str, Any], environ: Mapping[str, str]
) -> DeploymentSpec:
    entry = f"{model}, deployment {table.get('name') or number}"
    kind = table.get("kind")
    if kind not in _DEPLOYMENT_KEYS:
        raise CatalogueError(f'{entry}: kind must be "azure" or "compatible".')
    _refuse_unknown(entry, table, _DEPLOYMENT_KEYS[kind])
    is_azure = kind == "azure"
    return DeploymentSpec(
        name=_name(entry, table, "name"),
        kind="azure" if is_azure else "compatible",
        address=_address(entry, table, "endpoint" if is_azure else "base_url"),
        target=_text(entry, table, "deployment" if is_azure else "model"),
        api_key=_key(entry, table, environ),
        api_version=_text(entry, table, "api_version", "") if is_azure else "",
    )


def _with_default(models: list[ModelSpec]) -> tuple[ModelSpec, ...]:
    """Without a word in the file, the first model is the default."""
    chosen = [model.id for model in models if model.default] or [models[0].id]
    if len(chosen) > 1:
        raise CatalogueError(f"default = true stands at {' and '.join(chosen)}. Leave it at one of them.")
    return tuple(replace(model, default=model.id == chosen[0]) for model in models)


def _tables(entry: str, table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = table.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        heading = "[[model]]" if key == "model" else "[[model.deployment]]"
        raise CatalogueError(f"{entry} needs at least one {heading}.")
    return value


def _refuse_unknown(entry: str, table: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(table.keys() - known):
        raise CatalogueError(f"{entry}: unknown key {unknown[0]!r}. There are: {', '.join(sorted(known))}.")


def _refuse_duplicates(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise CatalogueError(f"the {what} {name!r} is used twice. Give each its own.")
        seen.add(name)


def _text(entry: str, table: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise CatalogueError(f"{entry}: {key} must be given, as text in quotes.")
    return value.strip()


def _name(entry: str, table: Mapping[str, Any], key: str) -> str:
    name = _text(entry, table, key)
    if not _NAME.fullmatch(name):
        raise CatalogueError(
            f"{entry}: {key} takes letters, digits, dots, hyphens and underscores, up to 63."
        )
    return name


def _address(entry: str, table: Mapping[str, Any], key: str) -> str:
    address = _text(entry, table, key)
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http") or not parts.netloc or parts.username or parts.password:
        raise CatalogueError(f"{entry}: {key} must be an address such as https://name.example.org.")
    return address.rstrip("/")


def _price(entry: str, table: Mapping[str, Any], key: str) -> Decimal | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < 1_000_000:
        raise CatalogueError(f"{entry}: {key} must be a price per million tokens, such as 2.50.")
    return Decimal(value)


def _key(entry: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    variable = _text(entry, table, "api_key_env", "")
    if not variable:
        return ""
    if not re.fullmatch("[A-Z_][A-Z0-9_]*", variable):
        # Not repeated here: it may be a key.
        raise CatalogueError(f"{entry}: api_key_env takes the NAME of an environment variable, not a key.")
    key = environ.get(variable, "").strip()
    if not key:
        raise CatalogueError(f"{entry}: the environment variable {variable} is not set. Put the key there.")
    return key


# --- One model, from plain settings -------------------------------------------------------------------------


def single_model(
    *,
    azure_endpoint: str,
    azure_deployment: str,
    azure_api_key: str,
    azure_api_version: str,
    openai_base_url: str,
    openai_model: str,
    openai_api_key: str,
    label: str,
    context_window: int,
) -> tuple[ModelSpec, ...]:
    """The catalogue where there is no models file: Azure, else a compatible server, else nobody to ask."""
    if azure_endpoint:
        spec = DeploymentSpec(
            azure_deployment, "azure", azure_endpoint, azure_deployment, azure_api_key, azure_api_version
        )
    elif openai_base_url:
        model = openai_model or azure_deployment
        spec = DeploymentSpec(model, "compatible", openai_base_url, model, openai_api_key)
    else:
        spec = DeploymentSpec(NoProvider.model, "none")
    return (ModelSpec(spec.name, label or spec.name, context_window, None, None, (spec,), default=True),)


# --- Real providers -----------------------------------------------------------------------------------------


class NoProvider:
    """Nothing is configured: cards still work, and every answer says that the assistant cannot be reached."""

    model = "none"

    async def stream(
        self, _messages: Sequence[PromptMessage], *, max_tokens: int
    ) -> AsyncGenerator[Delta | Finish]:
        raise self._error(max_tokens)
        yield

    async def complete(self, _messages: Sequence[PromptMessage], *, max_tokens: int) -> Completion:
        raise self._error(max_tokens)

    def _error(self, max_tokens: int) -> ProviderError:
        detail = f"nobody to ask for {max_tokens} tokens: configure a model, see {DOCUMENT}"
        return ProviderError(ErrorCode.PROVIDER_UNAVAILABLE, detail, retryable=False)

    async def close(self) -> None:
        pass


def provider_of(spec: DeploymentSpec, *, connect: float, idle: float) -> Provider:
    """The provider of a deployment. `connect`: seconds to connect; `idle`: of silence within an answer."""
    from streaming.providers.azure import azure_provider, compatible_provider

    if spec.kind == "azure":
        return azure_provider(
            spec.address,
            spec.target,
            api_key=spec.api_key,
            api_version=spec.api_version,
            connect=connect,
            idle=idle,
        )
    if spec.kind == "compatible":
        return compatible_provider(
            spec.address, spec.target, api_key=spec.api_key, connect=connect, idle=idle
        )
    return NoProvider()


def route_of(
    model: ModelSpec,
    *,
    connect: float,
    idle: float,
    attempts: int = 3,
    failures: int = 5,
    open_seconds: float = 30.0,
) -> Route:
    """The model with all its deployments, in the order of the file."""
    deployments = [
        Deployment(spec.name, provider_of(spec, connect=connect, idle=idle)) for spec in model.deployments
    ]
    return Route(model.id, deployments, attempts=attempts, failures=failures, open_seconds=open_seconds)
