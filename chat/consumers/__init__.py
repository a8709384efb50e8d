"""The WebSocket door, `/ws/chat/`."""

from chat.consumers.socket import ChatConsumer, NowhereConsumer, say_goodbye

__all__ = ["ChatConsumer", "NowhereConsumer", "say_goodbye"]
