"""What the service says about itself: its models and its health."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from app.services.provider import ModelInfo


class ModelOut(BaseModel):
    """A model that can be used."""

    name: str = Field(description="What to give as `model`.")
    provider: str
    description: str | None
    version: str | None
    official: bool = Field(description="Whether the provider keeps it running and prices it by the picture.")

    @classmethod
    def of(cls, model: ModelInfo) -> Self:
        return cls(
            name=model.name,
            provider=model.provider,
            description=model.description,
            version=model.version,
            official=model.official,
        )


class ModelsOut(BaseModel):
    """The models that can be used now."""

    models: list[ModelOut]


class HealthOut(BaseModel):
    """Whether the service can do its work, part by part."""

    status: Literal["ok", "unavailable"]
    provider: str = Field(description="Who makes the pictures.")
    database: str
    images: str = Field(description="The folder for generated pictures.")
    training_images: str = Field(description="The folder for uploaded training sets.")
