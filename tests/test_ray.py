"""On a Ray cluster the same photos give the same reports, also where a process is killed and from an S3 server."""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from screening.batch.inputs import Inputs
from screening.batch.local import Settings, screen_items
from screening.batch.worker import Limits
from screening.errors import NotFound
from screening.report import Report
from tests.batch_fakes import FakeScreener, OnceFatal

pytest.importorskip("ray")

from screening.batch import ray

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

SETTINGS = Settings(timeout_s=20.0)


@pytest.fixture(scope="module", autouse=True)
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster of several processes on this machine, whose workers find the tests."""
    import ray as engine

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    root = str(Path(__file__).parents[1])
    engine.init(
        num_cpus=3,
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": root}},
        _temp_dir=str(tmp_path_factory.mktemp("ray", numbered=False)),
    )
    yield
    with warnings.catch_warnings():  # Ray leaves its processes to the collector
        warnings.simplefilter("ignore")
        engine.shutdown()
        gc.collect()


def fill(folder: Path, count: int = 150) -> dict[str, bytes]:
    """Photos of different contents, two of them equal and one that kills its worker."""
    contents = {f"{i % 7}/{i:03}.jpg": b"\xff\xd8\xff%d" % i + b"x" * (i % 5) for i in range(count)}
    contents |= {"twin.jpg": contents["0/000.jpg"], "1/crash.jpg": b"crash"}
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "notes.txt").write_text("no photo")
    return contents


def as_lines(reports: Iterator[Report]) -> list[str]:
    """Their JSON without the times, by name."""

    def untimed(report: Report) -> dict[str, Any]:
        return {k: v for k, v in report.to_dict().items() if k != "timings_ms"}

    return [json.dumps(untimed(r)) for r in sorted(reports, key=lambda r: r.name)]


def local(folder: Path) -> list[str]:
    items = Inputs([str(folder)], recursive=True)
    return as_lines(r.report for r in screen_items(items, FakeScreener, SETTINGS))


def test_a_cluster_that_loses_a_process_reports_as_the_local_run(tmp_path: Path) -> None:
    contents = fill(tmp_path / "photos")
    (tmp_path / "photos/3/fatal.jpg").write_bytes(b"fatal")
    make = partial(OnceFatal, tmp_path / "died")
    photos = ray.photos([str(tmp_path / "photos")], recursive=True)
    ray.write(ray.screen(photos, make, SETTINGS, actors=2), str(tmp_path / "out"))
    assert (tmp_path / "died").exists()  # an actor was killed while it held photos
    found = as_lines(ray.reports(str(tmp_path / "out")))
    assert len(found) == len(contents) + 1
    assert found == local(tmp_path / "photos")
    assert ray.names(str(tmp_path / "out")) == {*contents, "3/fatal.jpg"}


def test_bytes_in_a_dataset_are_screened_too() -> None:
    import ray.data

    rows = [{"name": f"{i}.jpg", "bytes": b"\xff\xd8\xff" + b"x" * i} for i in range(5)]
    table = ray.data.from_items(rows)
    reports = screened(table)
    assert [(r["name"], r["glasses"]) for r in reports] == [
        (f"{i}.jpg", "fail" if i % 2 == 0 else "pass") for i in range(5)
    ]


def screened(dataset: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ray.screen(dataset, FakeScreener, SETTINGS, actors=1).take_all()
    return rows


def test_from_and_to_an_s3_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    from pyarrow import fs

    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "test")
    contents = fill(tmp_path / "photos", 20)
    server.start()
    try:
        host, port = server.get_host_and_port()
        query = f"?scheme=http&endpoint_override={host}:{port}&region=us-east-1&allow_bucket_creation=true"
        keys = "s3://test:test@"
        files, _ = fs.FileSystem.from_uri(f"{keys}bucket{query}")
        files.create_dir("bucket")
        fs.copy_files(str(tmp_path / "photos"), "bucket/photos", destination_filesystem=files)
        photos = ray.photos([f"{keys}bucket/photos{query}"], recursive=True)
        ray.write(ray.screen(photos, FakeScreener, SETTINGS, actors=1), f"{keys}bucket/reports{query}")
        assert as_lines(ray.reports(f"{keys}bucket/reports{query}")) == local(tmp_path / "photos")
        again = ray.photos(
            [f"{keys}bucket/photos{query}"], recursive=True, done=ray.names(f"{keys}bucket/reports{query}")
        )
        assert again.count() == 0
        assert len(contents) == 22
    finally:
        server.stop()


def test_what_is_too_large_or_gone_is_reported_by_its_name(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    photos = ray.photos([str(tmp_path)], recursive=True)
    (tmp_path / "0/000.jpg").unlink()
    settings = Settings(limits=Limits(max_bytes=4))
    rows = ray.screen(photos, FakeScreener, settings, actors=1).take_all()
    assert {r["name"]: r["error_code"] for r in rows} == {
        "0/000.jpg": "not_found", "1/001.jpg": "too_large_bytes", "1/crash.jpg": "too_large_bytes",
        "twin.jpg": None,
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        ray.photos([str(tmp_path / "nowhere")])
