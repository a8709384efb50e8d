"""The models that people may choose."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from chat.api.schemas import ModelsOut
from chat.engine import engine

router = Router()


@router.get("", response=ModelsOut, summary="The models there are")
async def list_models(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    model = engine().model
    return {
        "items": [
            {
                "id": model.id,
                "label": model.label,
                "contextWindow": model.context_window,
                "default": True,
            }
        ]
    }
