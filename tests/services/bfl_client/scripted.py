"""What BFL answers, and where; the script and the clock are those of the other provider's tests."""

from typing import Any

from app.models import JobKind, Order, Run

KEY = "bfl-s3cret-key-0123456789"
BASE = "https://api.bfl.ai"
CLUSTER = "https://api.us1.bfl.ai"
TASK_ID = "11111111-2222-4333-8444-555555555555"
POLLING_URL = f"https://api.eu2.bfl.ai/v1/get_result?id={TASK_ID}"
ASK_THERE = f"GET {POLLING_URL}"
ASK_BASE = f"GET {BASE}/v1/get_result?id={TASK_ID}"
ASK_CLUSTER = f"GET {CLUSTER}/v1/get_result?id={TASK_ID}"
SAMPLE = f"https://delivery-eu1.bfl.ai/results/{TASK_ID}/sample.jpeg?sig=abc"
CREATE = f"POST {BASE}/v1/flux-dev"

ORDER = Order(
    "bfl", JobKind.GENERATION, "bfl/flux-dev", None, {"prompt": "a cat", "guidance": 4}, expected_outputs=1
)
RUN = Run(JobKind.GENERATION, TASK_ID, POLLING_URL)
TRAINING_RUN = Run(JobKind.TRAINING, TASK_ID)
ACCEPTED: dict[str, Any] = {
    "id": TASK_ID,
    "polling_url": POLLING_URL,
    "cost": 3.0,
    "input_mp": 0.0,
    "output_mp": 0.8,
}
NOT_FOUND: dict[str, Any] = {"id": TASK_ID, "status": "Task not found", "result": None}


def task(status: str, **members: Any) -> dict[str, Any]:
    """A task as `get_result` shows it."""
    empty = {"result": None, "progress": None, "details": None, "preview": None}
    return {"id": TASK_ID, "status": status, **empty, **members}
