"""Where things of the sandbox are found."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from app.sandbox.runs import Run, RunKind


@dataclass(frozen=True)
class Addresses:
    """The public addresses of the API and of the outputs, and what lies under them."""

    api_url: str
    output_url: str

    @property
    def api_path(self) -> str:
        """The path below which the API's routes lie."""
        return urlsplit(self.api_url).path.rstrip("/")

    @property
    def output_path(self) -> str:
        """The path below which outputs lie."""
        return urlsplit(self.output_url).path.rstrip("/")

    @property
    def output_host(self) -> str | None:
        """The outputs' host; None when they share it with the API."""
        host = urlsplit(self.output_url).hostname
        return None if host == urlsplit(self.api_url).hostname else host

    def run(self, run: Run) -> str:
        """The address of a prediction or training."""
        return f"{self.api_url}/{run.kind}s/{run.id}"

    def run_urls(self, run: Run, *, created: bool) -> dict[str, str]:
        """The `urls` of a run; a training just `created` has those of a prediction, as at Replicate."""
        address = f"{self.api_url}/predictions/{run.id}" if created else self.run(run)
        return {
            "cancel": f"{address}/cancel",
            "get": address,
            "web": f"https://replicate.com/p/{run.id}",
        }

    def pictures(self, run: Run) -> list[str]:
        """Where the pictures of a prediction are."""
        pictures = run.plan.pictures
        if pictures is None:
            return []
        return [
            f"{self.output_url}/xezq/{run.token}/out-{number}.{pictures.output_format}"
            for number in range(pictures.asked - pictures.skipped)
        ]

    def weights(self, run: Run) -> str:
        """Where the weights of a training are."""
        return f"{self.output_url}/xezq/{run.token}/{weights_name(run)}"

    def file(self, file_id: str) -> str:
        """The address of an uploaded file."""
        return f"{self.api_url}/files/{file_id}"

    def file_in(self, address: str) -> str | None:
        """The id of the uploaded file that `address` names, if it names one."""
        prefix = f"{self.api_url}/files/"
        return (
            address.removeprefix(prefix).partition("/")[0].partition("?")[0]
            if address.startswith(prefix)
            else None
        )


def weights_name(run: Run) -> str:
    """What the trainer calls the file with its weights."""
    assert run.kind is RunKind.TRAINING  # noqa: S101 -- predictions have none
    return "flux-lora.tar" if run.model == "replicate/fast-flux-trainer" else "trained_model.tar"
