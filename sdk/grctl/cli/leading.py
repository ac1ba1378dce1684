"""Options before the command, as with kubectl: `grctl -n shop list` is `grctl list -n shop`.

1. The options are moved behind the command, in their order and before its own options. The command
   reads and checks them. Of an option that is given twice the last one counts.
2. A command without such an option refuses it, as if it had been written behind the command.
"""

from typing import Any

from typer.core import TyperGroup

SHORT = frozenset({"-n", "-o"})
LONG = frozenset({"--namespace", "--context", "--kubeconfig", "--output", "--request-timeout"})
"""Options with a value that several commands share."""

COMMANDS_ELSEWHERE = {
    "workflow": "write `grctl start TYPE ID --input JSON`, `grctl list`, `grctl describe ID`,"
    " `grctl history ID` or `grctl cancel ID`"
}
"""What stands for commands that the first grctl has."""


class Commands(TyperGroup):
    """The commands of `grctl`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options of `grctl` itself, after those of the command were moved behind it."""
        return super().parse_args(ctx, with_options_behind(args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command. Raise UsageError for one of the first grctl, with what to write."""
        if args[0] in COMMANDS_ELSEWHERE:
            ctx.fail(f"There is no command {args[0]!r}: {COMMANDS_ELSEWHERE[args[0]]}.")
        return super().resolve_command(ctx, args)


def with_options_behind(arguments: list[str]) -> list[str]:
    """Return the arguments with the leading shared options behind the command.

    Example:
        >>> with_options_behind(["-n", "shop", "--context=c", "list", "-A"])
        ['list', '-n', 'shop', '--context=c', '-A']
    """
    place = 0
    while place < len(arguments) and (taken := _length(arguments[place])):
        place += taken
    leading, rest = arguments[:place], arguments[place:]
    if not rest or rest[0].startswith("-"):  # no command, or another option of `grctl` itself
        return arguments
    return [rest[0], *leading, *rest[1:]]


def _length(argument: str) -> int:
    """Return how many arguments a shared option takes; 0 if it is not a shared option."""
    if argument in SHORT or argument in LONG:
        return 2
    joined = argument[:2] in SHORT or argument.partition("=")[0] in LONG
    return int(joined and len(argument) > 2)
