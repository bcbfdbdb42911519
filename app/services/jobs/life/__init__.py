"""The rules of a job's life, as pure functions of what is known."""

from app.services.jobs.life.deadlines import deadline_to_be_sent, deadline_to_end, next_look
from app.services.jobs.life.pictures import pictures_given_up, pictures_waiting, unheard
from app.services.jobs.life.reports import advance
from app.services.jobs.life.sending import (
    UNKNOWN_FOR,
    answer_lost,
    given_up_unknown,
    held_back,
    sent,
    surely_absent,
    unsent,
)
from app.services.jobs.life.steps import (
    LEASE,
    NOT_THE_REQUESTS_FAULT,
    cancel_asked,
    canceled_unknown,
    canceled_unsent,
    ended,
    overdue,
    passed_over,
    too_late,
)

__all__ = [
    "LEASE",
    "NOT_THE_REQUESTS_FAULT",
    "UNKNOWN_FOR",
    "advance",
    "answer_lost",
    "cancel_asked",
    "canceled_unknown",
    "canceled_unsent",
    "deadline_to_be_sent",
    "deadline_to_end",
    "ended",
    "given_up_unknown",
    "held_back",
    "next_look",
    "overdue",
    "passed_over",
    "pictures_given_up",
    "pictures_waiting",
    "sent",
    "surely_absent",
    "too_late",
    "unheard",
    "unsent",
]
