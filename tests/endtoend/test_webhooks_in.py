"""The provider tells the service, process to process, how runs go on."""

import pytest

from tests.endtoend.machine import Machine, until
from tests.endtoend.processes import free_port
from tests.endtoend.proxy import Course, Proxy

pytestmark = pytest.mark.endtoend


async def test_where_nobody_can_look_at_runs_webhooks_end_them(machine: Machine) -> None:
    way = await machine.start_sandbox(pace=0.5)
    came: list[str] = []

    def nobody_looks(call: str, _body: bytes) -> Course:
        return Course.LOSE_REQUEST if call.startswith("GET /v1/predictions") else Course.PASS

    def noted(call: str, _body: bytes) -> Course:
        came.append(call)
        return Course.PASS

    way.rule = nobody_looks
    port = free_port()
    service = await machine.start_service(WEBHOOK_URL=f"http://127.0.0.1:{port}")
    way_in = Proxy(service.server.url)
    way_in.rule = noted
    await way_in.start(port)
    try:
        begun = [
            await service.client.post(
                "/generate-image/", data={"prompt": f"cat {n}"}, headers={"Prefer": "respond-async"}
            )
            for n in range(5)
        ]

        await service.check_pictures(await service.all_succeeded(5, seconds=20))

        ids = {answer.json()["id"] for answer in begun}
        await until(lambda: len(came) >= 10)
        assert set(came) == {f"POST /webhook/{job_id}" for job_id in ids}
    finally:
        await way_in.aclose()
