"""The REST API under /api/v1: thin doors over turns. `docs/api.md` tells it to people."""

from chat.api.app import api

__all__ = ["api"]
