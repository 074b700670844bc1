"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import sys

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable
from rich.text import Text

from drf.simulation.tables import Table

PIPE = 10_000  # columns of "no limit": what goes into a pipe or file is never cropped


def terminal(*, stderr: bool = False) -> Console:
    """A console on a standard stream as it is now; of unlimited width where that is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PIPE, highlight=False)


def bar(console: Console) -> Progress:
    """A progress bar that is gone when all is done: how many of how many, the time it took, and what is done now."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
    )


def show(console: Console, table: Table) -> None:
    """Print the table, turned on its side where only that fits the terminal; never cropped."""
    room = console.width
    side = drawn(table)
    if _width(console, side) > room:
        side = min((side, drawn(table.transposed())), key=lambda way: _width(console, way))
    console.print(Text(table.title, style="bold"), soft_wrap=True)
    # Where even that is wider than the terminal, lines run on rather than lose digits.
    console.width = max(room, _width(console, side))
    console.print(side)
    console.print()
    console.width = room


def drawn(table: Table) -> RichTable:
    """A table as narrow as whole cells allow; the heads of columns go over several lines."""
    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, name in enumerate(table.head):
        parts = [*name.split(), *(row[index] for row in table.rows)]
        rich.add_column(
            Text(name),
            justify="left" if index == 0 else "right",
            vertical="bottom",
            width=max(map(cell_len, parts), default=0),
        )
    for row in table.rows:
        rich.add_row(*(Text(cell) for cell in row))
    return rich


def _width(console: Console, table: RichTable) -> int:
    return Measurement.get(console, console.options.update(width=PIPE), table).maximum
