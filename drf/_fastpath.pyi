from drf._purepath import Fading as Fading
from drf._purepath import Order as Order
from drf._purepath import Vector as Vector
from drf._purepath import fill as fill

KERNEL: int
