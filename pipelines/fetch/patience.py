"""How long to go on with a server that fails."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Patience"]


@dataclass(frozen=True)
class Patience:
    """How long to go on with a server that fails."""

    timeout_s: float = 60.0
    """Longest silence of the server, at any moment."""
    retries: int = 4
    """Attempts after the first one, without progress between them."""
    first_delay_s: float = 0.5
    """Wait before the first retry; doubled for each further one."""
    longest_delay_s: float = 60.0
    """No wait is longer, whatever the server asks for in ``Retry-After``."""
