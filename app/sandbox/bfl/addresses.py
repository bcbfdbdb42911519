"""Hosts and addresses of BFL: one global host, clusters that know their own tasks, and a host for results."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

from app.sandbox.bfl.tasks import Sample, Task

API_PATH = "/v1"
DOMAINS = ("bfl.ai", "bfl.ml")
_FORWARDING = ("api.bfl.ai", "api.bfl.ml", "api.eu.bfl.ai", "api.us.bfl.ai")


@dataclass(frozen=True)
class BflAddresses:
    """Addresses without `/v1`; on hosts that are not BFL's own, every task is known under every one."""

    api_url: str
    cluster_url: str
    delivery_url: str

    @property
    def has_hosts(self) -> bool:
        """Whether requests are told apart by BFL's own hosts."""
        return is_bfl(urlsplit(self.api_url).hostname)

    @property
    def delivery_path(self) -> str:
        """The path below which results lie."""
        return urlsplit(self.delivery_url).path.rstrip("/")

    def home(self, host: str | None) -> str:
        """The host that will know a task which was sent to `host`: a cluster keeps its tasks."""
        if not self.has_hosts or host is None or host in _FORWARDING:
            return urlsplit(self.cluster_url).hostname or ""
        return host

    def knows(self, host: str | None, task: Task) -> bool:
        """Whether `host` knows `task`."""
        return not self.has_hosts or host == task.home

    def polling(self, task: Task) -> str:
        """Where the result of `task` is asked for."""
        own = task.home == urlsplit(self.cluster_url).hostname
        base = self.cluster_url if own else f"https://{task.home}"
        return f"{base}{API_PATH}/get_result?id={quote(task.id)}"

    def sample(self, task: Task, sample: Sample, expires: datetime) -> str:
        """Where the picture of `task` lies until `expires`, as a signed address."""
        signature = {"se": f"{expires:%Y-%m-%dT%H:%M:%SZ}", "sp": "r", "sig": task.token}
        name = f"sample.{sample.output_format}"
        return f"{self.delivery_url}/results/{quote(task.id)}/{name}?{urlencode(signature)}"


def is_bfl(host: str | None) -> bool:
    """Whether a host is BFL's own."""
    return host is not None and host.endswith(tuple(f".{domain}" for domain in DOMAINS))
