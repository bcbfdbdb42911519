"""A small Replicate and a small Black Forest Labs of our own: the same wires, no costs, no network.

It shares no code with the rest of the service, so that it cannot share its mistakes.
"""

from app.sandbox.app import create_sandbox
from app.sandbox.clock import Clock, SystemClock
from app.sandbox.pace import Pace
from app.sandbox.transport import SandboxTransport

__all__ = ["Clock", "Pace", "SandboxTransport", "SystemClock", "create_sandbox"]
