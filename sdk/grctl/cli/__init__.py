"""The command line: one module per command, and `app` that registers them.

1. The module of a command has its docstring and its flags. Everything else is imported when the
   command runs, so that `grctl --help` and shell completion are quick.
2. A failure is one line on standard error and exit code 1. A wrong call has exit code 2.
3. Settings come from flags, then `GRCTL_*` variables; the API from `KUBECONFIG`, as for kubectl.
"""

import sys

INTERRUPTED_EXIT_CODE = 130  # as in shells: 128 and the number of SIGINT


def main() -> None:
    """Run the command line of this process."""
    try:
        from grctl.cli.streams import open_missing

        open_missing()
        from grctl.cli.app import main as run

        run()
    except KeyboardInterrupt:  # also while the modules are imported
        sys.exit(INTERRUPTED_EXIT_CODE)


__all__ = ["main"]
