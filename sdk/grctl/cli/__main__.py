"""`python -m grctl.cli`: the same as `grctl`."""

from grctl.cli import main

main()
