"""The request of a delivery."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import Request


class DeliverRequest(Request):
    """Which channel's messages to send."""

    channel_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] = Field(description="the channel; 32 hex digits")
