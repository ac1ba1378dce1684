"""`grctl crds`: the CustomResourceDefinitions, to apply."""

import typer


def crds() -> None:
    """Print the CustomResourceDefinitions, to apply them.

    As in `grctl crds | kubectl apply --server-side -f -`.
    """
    import yaml

    from grctl.models.crds import all_crds

    typer.echo(yaml.safe_dump_all(all_crds(), sort_keys=False, width=100), nl=False)
