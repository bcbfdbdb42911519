"""Whose an address is that a provider names: nobody else may be asked, or told a secret."""

import re

import httpx


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """What makes two addresses the same place."""
    return url.scheme, url.host, url.port


def is_of(url: httpx.URL, hosts: re.Pattern[str]) -> bool:
    """Whether an address is https, on the usual port, without credentials, at a host that `hosts` matches."""
    return (
        url.scheme == "https"
        and url.port is None
        and not url.userinfo
        and hosts.fullmatch(url.host) is not None
    )
