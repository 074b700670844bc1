"""The group of commands; an error becomes one sentence and an exit code, never a traceback."""

from __future__ import annotations

import importlib
import os
import shlex
import sys

import click

from drf._version import __version__
from drf.errors import DRFError

COMMANDS = {
    "allocate": "Divide a pool among users and print what each gets.",
    "check": "Search for instances in which a policy loses a fairness property.",
    "order": "Print the orders of several systems for one state of a cluster.",
    "compare": "Run policies on one workload, print what each did to whom, and write a report.",
    "run": "Run the tasks of several frameworks on this machine, fairly and with limits.",
    "serve": "Serve the allocator's verbs as JSON over HTTP, for masters in any language.",
    "conform": "Run scenario files against an allocator and print what came out otherwise.",
    "bench": "Measure what drf costs on this machine, beside its goals and an earlier run.",
    "replay": "Carry a journal out again, with its own policy or another one, and compare.",
    "plugins": "List the plug-ins that are installed, without importing any.",
    "info": "Show the version, the kernel and why it was chosen, plug-ins and optional packages.",
}


class Commands(click.Group):
    """Loads a command's module when it is called: ``drf --help`` needs no kernel."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"drf.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The part of the help that lists the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="drf", message="%(prog)s %(version)s")
def group() -> None:
    """Who gets the next resources of a cluster: Dominant Resource Fairness and its rivals.

    \b
    Examples:
      drf compare                       four policies on an embedded workload
      drf allocate problem.toml         divide a pool among users
      drf check drf                     which fairness properties does DRF keep?
      drf order state.toml              who is next, as Mesos, YARN and others see it
      drf conform                       check the allocator against scenarios
      drf info                          version, kernel, plug-ins, extras
    """


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code; O(what the command does)."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return _quiet()
    return code


def _run(arguments: list[str]) -> int:
    command = shlex.join(["drf", *arguments])
    try:
        outcome = group.main(arguments, prog_name="drf", standalone_mode=False, obj=command)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("drf: interrupted", err=True)
        return 130
    except DRFError as error:
        return _fail(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")
    except SystemExit as stop:  # click and rich leave so when the reader of a pipe has gone
        if stop.code == 1:
            return _quiet()
        raise
    return outcome if isinstance(outcome, int) else 0


def _fail(sentence: str) -> int:
    click.echo(f"drf: {sentence}", err=True)
    return 1


def _quiet() -> int:
    """Nobody reads any more: drop what is still buffered, or Python complains about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 1
