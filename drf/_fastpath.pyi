from drf._purepath import Fading as Fading
from drf._purepath import Order as Order
from drf._purepath import Vector as Vector
from drf._purepath import fill as fill
from drf._purepath import fill_in_bulk as fill_in_bulk

KERNEL: int
