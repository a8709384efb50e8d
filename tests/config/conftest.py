from tests.chat.conftest import fresh_counters, says

__all__ = ["fresh_counters", "says"]
