"""The models that people may choose."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from chat.api.schemas import ModelsOut
from chat.engine import engine
from streaming.providers.catalogue import ModelSpec

router = Router()


@router.get("", response=ModelsOut, exclude_unset=True, summary="The models there are")
async def list_models(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    chosen = engine().default_model
    return {"items": [_told(model, default=model.id == chosen) for model in engine().models.values()]}


def _told(model: ModelSpec, *, default: bool) -> dict[str, Any]:
    fields = {
        "id": model.id,
        "label": model.label,
        "contextWindow": model.context_window,
        "default": default,
    }
    if model.price_in is None or model.price_out is None:
        return fields
    price = {"prompt": model.price_in, "completion": model.price_out, "currency": model.currency}
    return fields | {"price": price}
