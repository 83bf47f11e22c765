"""Map the three folders into one namespace and ship the catalogue with the wheel."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDERS = {"connectome": "connectome", "pipelines": "connectome.pipelines", "loaders": "connectome.loaders"}


def packages() -> list[str]:
    """Name every package of the three folders as it is imported."""
    names = []
    for folder, package in FOLDERS.items():
        names.append(package)
        names.extend(f"{package}.{sub}" for sub in find_packages(folder))
    return names


class BuildWithCatalog(build_py):
    """Copy ``catalog.yaml`` from the root beside the package, where ``connectome.catalog`` looks for it."""

    def run(self) -> None:
        """Build the packages, then add the catalogue."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "connectome" / "catalog.yaml"
            self.copy_file("catalog.yaml", str(target))


setup(
    packages=packages(),
    package_dir={package: folder for folder, package in FOLDERS.items()},
    package_data={"connectome": ["py.typed"], "connectome.pipelines.sources": ["assets/*.tsv"]},
    cmdclass={"build_py": BuildWithCatalog},
)
