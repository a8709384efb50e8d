"""The models file: what it means, and what it says when something in it is wrong."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from streaming.events import ErrorCode
from streaming.providers.base import ProviderError
from streaming.providers.catalogue import (
    CatalogueError,
    DeploymentSpec,
    ModelSpec,
    NoProvider,
    default_model,
    parse_models,
    provider_of,
    read_models,
    route_of,
    single_model,
)
from tests.streaming.providers.scripted import ask

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "models.example.toml"
KEYS = {"AZURE_SWEDEN_KEY": "one", "AZURE_FRANCE_KEY": "two"}

SWEDEN = DeploymentSpec("sweden", "azure", "https://nightlight-sweden.openai.example.org", "gpt-4o", "one")
FRANCE = DeploymentSpec(
    "france", "azure", "https://nightlight-france.openai.example.org", "gpt-4o-night", "two", "2024-10-21"
)
CELLAR = DeploymentSpec("cellar", "compatible", "http://models.example.org:8080/v1", "llama-3.1-8b-instruct")
NIGHT = ModelSpec(
    "night", "Nightlight", 128_000, Decimal("2.50"), Decimal("10.00"), (SWEDEN, FRANCE), "USD", default=True
)
SMALL = ModelSpec("small", "Small and quick", 32_000, None, None, (CELLAR,))

LEAST = """
[[model]]
id = "m"
context_window = 8000
[[model.deployment]]
name = "d"
kind = "compatible"
base_url = "http://localhost:1/v1/"
model = "x"
"""


def test_example_file():
    assert read_models(EXAMPLE, KEYS) == (NIGHT, SMALL)


def test_least_file_takes_its_label_and_default_from_what_there_is():
    spec = DeploymentSpec("d", "compatible", "http://localhost:1/v1", "x")
    assert parse_models(LEAST, {}) == (ModelSpec("m", "m", 8000, None, None, (spec,), default=True),)


def test_default_is_the_one_that_says_so():
    second = LEAST.replace('"m"', '"n"\ndefault = true').replace('"d"', '"e"')
    assert default_model(parse_models(LEAST + second, {})).id == "n"


def test_keys_are_not_printed():
    assert "one" not in repr(read_models(EXAMPLE, KEYS)[0].deployments[0])


AZURE = """
[[model]]
id = "m"
context_window = 8000
[[model.deployment]]
name = "d"
kind = "azure"
endpoint = "https://e.example.org"
deployment = "gpt"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x =", "this is not TOML: "),
        ("", "the file needs at least one [[model]]."),
        ("models = 1\n" + LEAST, "the file: unknown key 'models'. There are: currency, model."),
        ('currency = "usd"' + LEAST, "currency must be three capital letters, as \"USD\"; 'usd' is not."),
        ('[[model]]\nid = "m"\ncontext_window = 8000', "model m needs at least one [[model.deployment]]."),
        (LEAST.replace('id = "m"', ""), "model 1: id must be given, as text in quotes."),
        (LEAST.replace('"m"', '"a b"'), "model a b: id takes letters, digits, dots, hyphens and underscores"),
        (
            LEAST.replace("8000", "500"),
            "model m: context_window must be a whole number of tokens, at least 1000.",
        ),
        (LEAST.replace("8000", "8000\ntemperature = 1"), "model m: unknown key 'temperature'."),
        (LEAST.replace("8000", "8000\ndefault = 1"), "model m: default must be true or false."),
        (LEAST.replace("8000", "8000\nprice_in = 1"), "model m: give price_in and price_out, or neither."),
        (
            LEAST.replace("8000", "8000\nprice_in = 1\nprice_out = 2"),
            "model m: prices need a currency at the top of the file",
        ),
        (
            'currency = "EUR"' + LEAST.replace("8000", "8000\nprice_in = -1\nprice_out = 2"),
            "model m: price_in must be a price per million tokens",
        ),
        (
            LEAST.replace("compatible", "other"),
            'model m, deployment d: kind must be "azure" or "compatible".',
        ),
        (LEAST.replace("model =", "deployment ="), "model m, deployment d: unknown key 'deployment'."),
        (LEAST.replace('model = "x"', ""), "model m, deployment d: model must be given"),
        (LEAST.replace("http://", "ftp://"), "model m, deployment d: base_url must be an address such as"),
        (LEAST.replace("http://", "http://me:secret@"), "model m, deployment d: base_url must be an address"),
        (LEAST + LEAST.replace('"d"', '"e"'), "the model id 'm' is used twice. Give each its own."),
        (LEAST + LEAST.replace('"m"', '"n"'), "the deployment name 'd' is used twice. Give each its own."),
        (
            LEAST.replace('"m"', '"m"\ndefault = true')
            + LEAST.replace('"m"', '"n"\ndefault = true').replace('"d"', '"e"'),
            "default = true stands at m and n. Leave it at one of them.",
        ),
        (
            AZURE + 'api_key_env = "AZURE_KEY"',
            "model m, deployment d: the environment variable AZURE_KEY is not set. Put the key there.",
        ),
        (
            AZURE + 'api_key_env = "sk-1234"',
            "model m, deployment d: api_key_env takes the NAME of an environment variable, not a key.",
        ),
    ],
)
def test_error_names_the_entry_and_what_to_do(text, said):
    with pytest.raises(CatalogueError) as caught:
        parse_models(text, {"AZURE_KEY": " "})
    assert str(caught.value)[: len(said)] == said


def test_error_names_the_file(tmp_path):
    with pytest.raises(CatalogueError, match=r"models\.toml cannot be read: "):
        read_models(tmp_path / "models.toml", {})
    (tmp_path / "models.toml").write_text("")
    with pytest.raises(CatalogueError, match=r"models\.toml: the file needs at least one \[\[model\]\]"):
        read_models(tmp_path / "models.toml", {})


NOTHING = {
    "azure_endpoint": "",
    "azure_deployment": "gpt-4o",
    "azure_api_key": "",
    "azure_api_version": "",
    "openai_base_url": "",
    "openai_model": "",
    "openai_api_key": "",
    "label": "",
    "context_window": 128_000,
}


@pytest.mark.parametrize(
    ("values", "name", "spec"),
    [
        (
            {"azure_endpoint": "https://e", "azure_api_key": "k", "azure_api_version": "v"},
            "gpt-4o",
            DeploymentSpec("gpt-4o", "azure", "https://e", "gpt-4o", "k", "v"),
        ),
        (
            {"openai_base_url": "http://l/v1", "openai_model": "tiny"},
            "tiny",
            DeploymentSpec("tiny", "compatible", "http://l/v1", "tiny"),
        ),
        (
            {"openai_base_url": "http://l/v1"},
            "gpt-4o",
            DeploymentSpec("gpt-4o", "compatible", "http://l/v1", "gpt-4o"),
        ),
        ({}, "none", DeploymentSpec("none", "none")),
    ],
)
def test_one_model_from_plain_settings(values, name, spec):
    assert single_model(**{**NOTHING, **values}) == (
        ModelSpec(name, name, 128_000, None, None, (spec,), default=True),
    )


def test_one_model_may_have_a_label():
    assert single_model(**{**NOTHING, "label": "Night"})[0].label == "Night"


async def test_nobody_to_ask_is_an_error_that_says_what_to_do():
    route = route_of(single_model(**NOTHING)[0], connect=1, idle=1)
    answer = await ask(route)
    await route.close()
    assert (answer.error.code, answer.error.retryable) == (ErrorCode.PROVIDER_UNAVAILABLE, False)
    assert answer.error.detail == "nobody to ask for 100 tokens: configure a model, see docs/models.md"
    with pytest.raises(ProviderError):
        await NoProvider().complete([], max_tokens=1)


async def test_route_has_the_deployments_in_the_order_of_the_file():
    route = route_of(NIGHT, connect=1, idle=1)
    assert (route.model, [health.name for health in route.health()]) == ("night", ["sweden", "france"])
    await route.close()


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        (SWEDEN, "https://nightlight-sweden.openai.example.org/openai/v1/"),
        (FRANCE, "https://nightlight-france.openai.example.org/openai/deployments/gpt-4o-night/"),
        (CELLAR, "http://models.example.org:8080/v1/"),
    ],
)
async def test_provider_asks_where_the_file_says(spec, address):
    provider = provider_of(spec, connect=1, idle=1)
    assert (provider.model, str(provider._client.base_url)) == (spec.target, address)
    await provider.close()


def test_reading_the_models_does_not_load_the_sdk():
    code = "import sys, streaming.providers.catalogue; print({'openai', 'aiohttp'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
