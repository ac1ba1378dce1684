"""`grctl crds`: print the CustomResourceDefinitions, to apply them."""

from grctl.cli.output import Format, show


def crds() -> None:
    """Print the CustomResourceDefinitions, to apply them.

    As in `grctl crds | kubectl apply --server-side -f -`.
    """
    import yaml

    from grctl.models.crds import all_crds

    text = yaml.safe_dump_all(all_crds(), sort_keys=False, width=100)
    show(text.removesuffix("\n"), None, Format.TEXT)
