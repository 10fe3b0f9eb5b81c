"""Who asks: API keys from a file, and OpenID Connect bearer tokens.

Nothing here knows of HTTP beyond the text of a credential; `gate` asks at the door of every request.
"""

from tracesvc.access.caller import ANYONE, Caller, RateClass, Role
from tracesvc.access.door import Door, open_door

__all__ = ["ANYONE", "Caller", "Door", "RateClass", "Role", "open_door"]
