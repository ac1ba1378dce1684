"""Write the files that are made from code, or say which of them differ: `--check`."""

import argparse
import sys
from pathlib import Path

import yaml

from grctl.models.crds import all_crds

ROOT = Path(__file__).parent.parent
HEADER = "# Generated from the models in sdk/grctl/models by `make fix`. Do not edit.\n"


def generated_files() -> dict[Path, str]:
    """Give path and content of every generated file."""
    return {
        ROOT / "crds" / f"{crd['spec']['names']['plural']}.yaml": HEADER
        + yaml.safe_dump(crd, sort_keys=False, width=100)
        for crd in all_crds()
    }


def differing(files: dict[Path, str]) -> list[Path]:
    """Give the paths whose content is not what the code makes."""
    return [
        path
        for path, content in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]


def main() -> int:
    """Write, or check with `--check`; exit status 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    check = parser.parse_args().check
    files = generated_files()
    paths = differing(files)
    for path in paths:
        print(f"{path.relative_to(ROOT)} {'differs: run `make fix`' if check else 'written'}")
        if not check:
            path.write_text(files[path], encoding="utf-8")
    return 1 if check and paths else 0


if __name__ == "__main__":
    sys.exit(main())
