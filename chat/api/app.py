"""The API object: its resources, its rules, its problems."""

from ninja import NinjaAPI

from chat.api import ai, conversations, me, messages, models
from chat.api.gate import gate
from chat.api.problems import add_problem_handlers

api = NinjaAPI(
    title="Nightlight",
    version="1",
    description="A streaming AI chat for expecting and new parents. Refusals are application/problem+json.",
    auth=gate,
    urls_namespace="api",
)
add_problem_handlers(api)
api.add_router("/ai", ai.router, tags=["answers"])
api.add_router("/conversations", conversations.router, tags=["conversations"])
api.add_router("/messages", messages.router, tags=["messages"])
api.add_router("/models", models.router, tags=["models"])
api.add_router("/me", me.router, tags=["me"])
