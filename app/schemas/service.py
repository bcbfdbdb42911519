"""What the service says about itself: its health."""

from typing import Literal

from pydantic import BaseModel, Field


class HealthOut(BaseModel):
    """Whether the service can do its work, part by part."""

    status: Literal["ok", "unavailable"]
    provider: str = Field(description="Who makes the pictures.")
    database: str
    images: str = Field(description="The folder for generated pictures.")
    training_images: str = Field(description="The folder for uploaded training sets.")
