"""`python -m grctl.cli`: the same as `grctl`."""

from grctl.cli.app import main

main()
