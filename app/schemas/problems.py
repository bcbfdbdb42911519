"""The shape of every error answer, for the API description."""

from typing import Any

from pydantic import BaseModel, Field


class ProblemField(BaseModel):
    """One thing wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error as in RFC 9457."""

    type: str = Field(examples=["urn:fluxgate:error:invalid_request"])
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["width: 99 is too small; 256 to 1440 is allowed."])
    code: str = Field(examples=["invalid_request"])
    request_id: str | None = None
    errors: list[ProblemField] = []
    job_id: str | None = None
    report: dict[str, Any] | None = Field(
        default=None, description="What the check of training pictures found, where they were refused."
    )
