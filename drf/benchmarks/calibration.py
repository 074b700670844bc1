"""The calibration unit u: the CPU time of a fixed amount of plain Python work.

Machines differ and are noisy, so costs are also given as a ratio to it, measured in turn with the program.
"""

from __future__ import annotations

import time

USERS, GRANTS = 200, 20_000
EXPECTED = 0x2779492B39E816A0
"""Checksum of the users picked, so that the work cannot change unseen."""


def unit(users: int = USERS, grants: int = GRANTS) -> tuple[float, int]:
    """CPU seconds and checksum of naive progressive filling: 2 resources, a linear scan for each grant.

    O(users x grants). The checksum is h = h*31 + user, mod 2**64.

    >>> unit()[1] == EXPECTED
    True
    """
    total = (24.0 * 1000, 4096.0 * 1000)
    demand = [
        (float(1 + (i * 7919) % 4), float(128 * (1 + (i * 104729) % 16))) for i in range(users)
    ]
    held = [[0.0, 0.0] for _ in range(users)]
    share = [0.0] * users
    checksum = 0
    start = time.process_time()
    for _ in range(grants):
        best, best_share = 0, share[0]
        for i in range(1, users):
            s = share[i]
            if s < best_share:
                best, best_share = i, s
        h, d = held[best], demand[best]
        h[0] += d[0]
        h[1] += d[1]
        x, y = h[0] / total[0], h[1] / total[1]
        share[best] = x if x > y else y
        checksum = (checksum * 31 + best) & 0xFFFFFFFFFFFFFFFF
    return time.process_time() - start, checksum
