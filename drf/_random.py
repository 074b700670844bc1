"""The one source of randomness: SplitMix64, an integer generator that any language can repeat.

Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. Seeded, no global state: the
same seed gives the same decisions on every machine and both kernels.
"""

from __future__ import annotations

from typing import Any

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class SplitMix64:
    """A seeded stream of 64-bit integers.

    >>> SplitMix64(0).next() == 0xE220A8397B1DCDAF  # the published first value of seed 0
    True
    """

    __slots__ = ("state",)

    def __init__(self, seed: int = 0) -> None:
        self.state = seed & _MASK

    def next(self) -> int:
        """The next integer in [0, 2**64); O(1)."""
        self.state = (self.state + _GAMMA) & _MASK
        return _mix(self.state)

    def skip(self, n: int) -> None:
        """As if n integers had been drawn; O(1)."""
        self.state = (self.state + n * _GAMMA) & _MASK

    def below(self, n: int) -> int:
        """An integer in [0, n), by multiply and shift (bias below n / 2**64); O(1)."""
        return (self.next() * n) >> 64

    def random(self) -> float:
        """A float in [0, 1) with 53 random bits; O(1)."""
        return (self.next() >> 11) / 9007199254740992.0

    def shuffle(self, items: list[Any]) -> None:
        """Shuffle in place (Fisher-Yates from the end); O(n)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def spawn(self, key: int) -> SplitMix64:
        """An independent stream, the same for the same seed and key, that leaves this one as it is; O(1)."""
        return SplitMix64(_mix((self.state + _mix((key + 1) & _MASK)) & _MASK))
