"""The command line: one module per command, and `app` that registers them.

1. A command says what it does by its docstring and its flags; the work is imported when it runs,
   so that `grctl --help` and shell completion are quick.
2. What goes wrong is one line on standard error and exit code 1; 2 is a wrong way to call it.
3. Settings come from flags, then `GRCTL_*` variables; the API from `KUBECONFIG`, as for kubectl.
"""

import sys

INTERRUPTED = 130  # as shells count: 128 and the number of SIGINT


def main() -> None:
    """Run the command line of this process."""
    try:
        from grctl.cli.streams import open_missing

        open_missing()
        from grctl.cli.app import main as run

        run()
    except KeyboardInterrupt:  # also while the modules are read
        sys.exit(INTERRUPTED)


__all__ = ["main"]
