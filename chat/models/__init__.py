from chat.models.people import User

__all__ = ["User"]
