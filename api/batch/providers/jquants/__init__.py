"""J-Quants, the API of the Tokyo exchange's own group, version 2; for the personal use of whoever has a key."""

from batch.providers.jquants.get import JquantsSource
from batch.providers.jquants.provider import JquantsProvider

__all__ = ["JquantsProvider", "JquantsSource"]
