"""Durations for people, in French."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds as people say them; what is under 0 is 0.

    >>> duration(7.9), duration(200), duration(18120), duration(183600)
    ('7 s', '3 min 20 s', '5 h 02 min', '2 j 3 h')
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} j {hours % 24} h"
