"""Batch runs: nothing lost, nothing twice, whatever happens to a worker, to the run, or to the input."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from screening.batch import inputs as inputs_module, local
from screening.batch.compare import compare
from screening.batch.inputs import Inputs, Item, in_order
from screening.batch.journal import Journal, OutputTaken, content_key, read_reports
from screening.batch.local import Settings, screen_items
from screening.batch.run import Run
from screening.batch.worker import Limits
from screening.errors import Internal, ModelMissing, NotFound, Unreadable
from screening.report import Report
from tests.batch_fakes import POLICY_SHA256, FakeScreener, dying_screener, report

JPEG = b"\xff\xd8\xff\xe0"


def open_journal(path: Path, resume: bool = False, seen: list[Report] | None = None) -> Journal:
    return Journal(
        path, resume=resume, policy_sha256=POLICY_SHA256, seen=(seen if seen is not None else []).append
    )


def lines(path: Path) -> list[str]:
    return [r.name for r in read_reports(path)]


# --- workers


@pytest.fixture(scope="module")
def hazards() -> dict[str, Report]:
    """One run over photos that do everything to a worker that a photo can do."""
    contents = ["ok", "crash", "ok 1", "segfault", "hang", "bug", "hog", "bad", "ok 2"]
    items = [Item(f"{i}-{c}.jpg", data=c.encode()) for i, c in enumerate(contents)]
    items.append(Item("9-gone.jpg", Path("/does/not/exist.jpg")))
    items.append(Item("10-refused.jpg", error=NotFound("10-refused.jpg is not there.")))
    settings = Settings(workers=2, timeout_s=1.0, limits=Limits(memory_mb=2500))
    results = [r.report for r in screen_items(items, FakeScreener, settings)]
    assert [r.name for r in results] == [i.name for i in items]
    return {r.name.partition("-")[2].removesuffix(".jpg"): r for r in results}


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("crash", "internal", "exit code 7"),
        ("segfault", "internal", "SIGSEGV"),
        ("hang", "timeout", "1 s"),
        ("bug", "internal", "ZeroDivisionError"),
        ("bad", "not_an_image", "no image"),
        ("gone", "not_found", "does not exist"),
        ("refused", "not_found", "is not there"),
    ],
)
def test_a_photo_that_cannot_be_screened_gets_a_report_that_names_it(
    hazards: dict[str, Report], content: str, code: str, words: str
) -> None:
    found = hazards[content]
    assert found.verdict == "error"
    assert found.error is not None
    assert found.error[0] == code
    assert words in found.error[1]
    assert all(r.status != "pass" for r in found.rules)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit is Linux's")
def test_a_photo_that_needs_too_much_memory_is_given_up(hazards: dict[str, Report]) -> None:
    assert hazards["hog"].error is not None
    assert "memory" in hazards["hog"].error[1]


def test_the_others_are_screened_all_the_same(hazards: dict[str, Report]) -> None:
    assert [hazards[n].verdict for n in ("ok", "ok 1", "ok 2")] == ["pass", "pass", "pass"]


def test_equal_contents_are_screened_once_and_each_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    contents = [b"one", b"two!", b"one", b"one", b"two!", b"bad", b"bad"]
    items = [Item(f"{i}.jpg", data=c) for i, c in enumerate(contents)]
    items.append(Item("other-suffix.png", data=b"one"))

    results = list(screen_items(items, Logging(log), Settings(workers=2)))

    screened = sorted(log.read_text().split())
    by_content = {
        content_key(r.image.sha256, r.name) for r in (x.report for x in results) if r.image is not None
    }
    assert len(screened) == len(by_content) + 2  # each "bad" by itself: its sentence names the file
    assert [r.report.name for r in results] == [i.name for i in items]
    assert [r.report.image.name for r in results if r.report.image] == [
        i.name for i in items if i.data != b"bad"
    ]
    assert [r.report.verdict for r in results] == [
        "fail",
        "pass",
        "fail",
        "fail",
        "pass",
        "error",
        "error",
        "fail",
    ]


class Logging:
    """Makes screeners that note what they screen."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self) -> FakeScreener:
        return FakeScreener(self.log)


def test_twins_of_a_photo_whose_worker_dies_get_their_own_report() -> None:
    items = [Item(f"{i}.jpg", data=b"crash") for i in range(3)]
    results = list(screen_items(items, FakeScreener, Settings(workers=2)))
    assert [r.report.name for r in results] == ["0.jpg", "1.jpg", "2.jpg"]
    for result in results:
        assert result.report.error is not None
        assert result.report.error[1].startswith(result.report.name)


def test_input_is_read_no_further_ahead_than_the_window() -> None:
    taken = 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        while True:
            taken += 1
            yield Item(f"{taken}.jpg", data=b"hang" if taken == 1 else f"{taken}".encode())

    results = screen_items(endless(), FakeScreener, Settings(workers=2, timeout_s=2.0))
    first = next(results)
    ahead = taken
    results.close()
    assert first.report.error is not None  # it hung; the others had to wait for their turn
    assert local.WINDOW < ahead <= local.WINDOW * 2 + 2 * 2 + 2


def test_unordered_results_do_not_wait_for_a_slow_photo() -> None:
    items = [Item(f"{i}.jpg", data=b"hang" if i == 0 else f"{i}".encode()) for i in range(12)]
    names = [
        r.report.name
        for r in screen_items(items, FakeScreener, Settings(workers=2, ordered=False, timeout_s=2.0))
    ]
    assert names[-1] == "0.jpg"
    assert sorted(names) == sorted(i.name for i in items)


def test_stopping_finishes_what_is_under_way_and_begins_nothing() -> None:
    taken = 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        while True:
            yield Item(f"{taken}.jpg", data=f"{taken}".encode())
            taken += 1

    settings = Settings(workers=2)
    names = [
        r.report.name for r in screen_items(endless(), FakeScreener, settings, stopped=lambda: taken >= 30)
    ]
    assert names == [f"{i}.jpg" for i in range(len(names))]
    assert 0 < len(names) <= taken + 1


def test_a_missing_network_ends_the_run() -> None:
    with pytest.raises(ModelMissing):
        list(screen_items([Item("a.jpg", data=b"no network")], FakeScreener))


def test_workers_that_cannot_start_end_the_run() -> None:
    with pytest.raises(Internal, match="exit code 3"):
        list(screen_items([Item("a.jpg", data=b"x")], dying_screener))


def test_what_reading_the_input_raises_is_raised() -> None:
    def broken() -> Iterator[Item]:
        yield Item("a.jpg", data=b"x")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(screen_items(broken(), FakeScreener))


# --- the output file


def test_a_run_killed_again_and_again_loses_and_repeats_nothing(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(120):
        (photos / f"{i:03}.jpg").write_bytes(b"x" * (i % 40 + 1))
    (photos / "050.jpg").write_bytes(b"crash")
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    with _run(photos, whole) as process:
        process.communicate()
    assert process.returncode == 0

    moments = random.Random(7)
    for _ in range(5):
        with _run(photos, killed) as process:
            assert process.stdout is not None
            for _ in range(moments.randrange(0, 25)):
                process.stdout.readline()
            process.kill()
    with _run(photos, killed) as process:
        process.communicate()

    assert process.returncode == 0
    assert killed.read_bytes() == whole.read_bytes()
    assert lines(killed) == [f"{i:03}.jpg" for i in range(120)]


def _run(photos: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.batch_fakes", str(photos), str(output)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1]
    )


def test_names_are_claimed_right_while_reports_are_written(tmp_path: Path) -> None:
    done = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with open_journal(tmp_path / "out.jsonl") as journal:

            def write() -> None:
                while not done.is_set():
                    journal.append(report("x.jpg", b"abc"))

            writer = threading.Thread(target=write)
            writer.start()
            try:
                claimed = [journal.claim(f"{i}.jpg") for i in range(5000)]
            finally:
                done.set()
                writer.join()
    finally:
        sys.setswitchinterval(interval)

    assert all(claimed)


def test_resuming_cuts_off_a_line_torn_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_journal(path) as journal:
        for name in ("a.jpg", "b.jpg"):
            journal.append(report(name, name.encode()))
        before = path.stat().st_size
        journal.append(report("c.jpg", b"ccc"))
    whole = path.read_bytes()

    for end in range(before, len(whole)):
        path.write_bytes(whole[:end])
        seen: list[Report] = []
        with open_journal(path, resume=True, seen=seen) as journal:
            assert [r.name for r in seen] == ["a.jpg", "b.jpg"]
            assert journal.claim("c.jpg")
            assert not journal.claim("a.jpg")
            journal.append(report("c.jpg", b"ccc"))
        assert path.read_bytes() == whole


def test_a_resumed_run_knows_the_contents_it_has_screened(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_journal(path) as journal:
        journal.append(report("a.jpg", b"abc"))
        journal.append(report("b.jpg", b"abcd"))
    log = tmp_path / "log"
    log.touch()
    items = [Item("a.jpg", data=b"abc"), Item("c.jpg", data=b"abcd")]
    with open_journal(path, resume=True) as journal:
        run = Run(journal, items)
        names = [r.report.name for r in run.results(Logging(log), Settings())]
    assert names == ["c.jpg"]
    assert run.skipped == 1
    assert log.read_text() == ""
    assert lines(path) == ["a.jpg", "b.jpg", "c.jpg"]


def test_an_output_with_reports_is_not_written_without_resume(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_journal(path) as journal:
        journal.append(report("a.jpg", b"abc"))
    before = path.read_bytes()
    with pytest.raises(OutputTaken, match="--resume"):
        open_journal(path)
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="file locks of POSIX")
def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    with open_journal(tmp_path / "out.jsonl"), pytest.raises(OutputTaken, match="another run"):
        open_journal(tmp_path / "out.jsonl")


def test_resuming_under_another_policy_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_journal(path) as journal:
        journal.append(report("a.jpg", b"abc"))
    with pytest.raises(Unreadable, match="another policy"):
        Journal(path, resume=True, policy_sha256="1" * 64, seen=lambda r: None)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"[]", b"{}", b'{"schema": 2}', b"\xff\xfe", b"[" * 100_000, b'{"schema": NaN}',
        b'{"schema": 1, "verdict": "pass", "image": {"name": 3}}',
    ],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_report_is_named_by_its_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(report("a.jpg", b"abc").to_json().encode() + b"\n" + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(Unreadable, match="line 2"):
        list(read_reports(path))
    with pytest.raises(Unreadable, match="line 2"):
        open_journal(path, resume=True)
    assert path.read_bytes() == before


def test_reports_with_fields_taken_away_or_changed_never_crash_the_reader(tmp_path: Path) -> None:
    data = report("a.jpg", b"abc").to_dict()
    path = tmp_path / "out.jsonl"
    for key in data:
        values: tuple[object, ...] = (None, 1, "x", [], {}, [[1]], [{"id": 1}])
        for value in values:
            path.write_text(json.dumps(data | {key: value}) + "\n")
            try:
                found = list(read_reports(path))
            except Unreadable:
                continue
            assert found[0].to_json()


# --- inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub" / "deep").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "C.JPEG", "sub/d.jpg", "sub/deep/e.webp", ".hidden.jpg"):
        (root / name).write_bytes(JPEG + name.encode())
    (root / "no-suffix").write_bytes(JPEG)
    (root / "notes.txt").write_text("no photo")
    (root / "empty.jpg").touch()
    return root


def names(inputs: Inputs) -> list[str]:
    return [item.name for item in inputs]


def test_a_folder_gives_its_photos_by_name_and_counts_the_rest(folder: Path) -> None:
    flat = Inputs([str(folder)])
    assert names(flat) == ["C.JPEG", "a.png", "b.jpg", "empty.jpg", "no-suffix"]
    assert (flat.others, flat.folders) == (1, 1)
    assert flat.total() == 5

    deep = Inputs([str(folder)], recursive=True)
    assert names(deep) == [
        "C.JPEG",
        "a.png",
        "b.jpg",
        "empty.jpg",
        "no-suffix",
        "sub/d.jpg",
        "sub/deep/e.webp",
    ]
    assert deep.total() == 7


def test_a_link_back_up_does_not_lead_in_circles(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    assert names(Inputs([str(folder)], recursive=True)).count("b.jpg") == 1


def test_names_of_several_inputs_begin_with_the_input(folder: Path) -> None:
    found = names(Inputs([str(folder), str(folder / "sub")]))
    assert f"{folder}/b.jpg" in found
    assert f"{folder}/sub/d.jpg" in found


def test_globs_lists_and_stdin(folder: Path, tmp_path: Path) -> None:
    assert names(Inputs([f"{folder}/**/*.jpg"])) == [
        f"{folder}/{n}" for n in ("b.jpg", "empty.jpg", "sub/d.jpg")
    ]
    paths = [f"{folder}/b.jpg", f"{folder}/missing.jpg"]
    (tmp_path / "list.txt").write_text("\n".join(paths) + "\n\n")
    assert names(Inputs([f"@{tmp_path}/list.txt"])) == paths
    assert names(Inputs(["-"], stdin=io.StringIO("\n".join(paths)))) == paths
    assert Inputs(["-"], stdin=io.StringIO()).total() is None


@pytest.mark.parametrize("given", ["*.nothing", "@missing.txt", "nul\0byte"])
def test_an_input_that_stands_for_nothing_is_reported(given: str) -> None:
    (item,) = Inputs([given])
    assert isinstance(item.error, NotFound)


def test_a_name_that_is_no_unicode_can_still_be_written(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with open(bytes(tmp_path / "f") + b"/x\xff.jpg", "wb") as file:
        file.write(JPEG)
    (item,) = Inputs([str(tmp_path / "f")])
    assert item.name == "x\\xff.jpg"
    assert item.path is not None
    assert item.path.read_bytes() == JPEG


def test_archives_are_read_without_unpacking(tmp_path: Path) -> None:
    members = {
        "b.jpg": JPEG + b"b",
        "in/a.png": JPEG + b"a",
        "x.txt": b"text",
        "__MACOSX/b.jpg": JPEG,
        "big.jpg": b"B" * 99,
    }
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)

    for file in ("p.zip", "p.tar.gz"):
        given = Inputs([str(tmp_path / file)], max_bytes=50)
        items = {item.name: item for item in given}
        assert list(items) == ["b.jpg", "in/a.png", "big.jpg"]
        assert items["in/a.png"].data == JPEG + b"a"
        assert items["big.jpg"].error is not None
        assert items["big.jpg"].error.code == "too_large_bytes"
        assert given.others == 1


def test_a_damaged_archive_gives_what_it_has_and_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(6):
            archive.writestr(f"{i}.jpg", random.Random(i).randbytes(3000))
    with tarfile.open(tmp_path / "p.tar", "w") as tar:
        tar.add(tmp_path / "p.zip", "z.jpg")
    for file in ("p.zip", "p.tar"):
        whole = (tmp_path / file).read_bytes()
        for seed in range(150):
            dice = random.Random(seed)
            data = bytearray(whole[: dice.randrange(len(whole))] if seed % 3 == 0 else whole)
            for _ in range(dice.randrange(1, 30)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            broken = tmp_path / f"broken{Path(file).suffix}"
            broken.write_bytes(data)
            for item in Inputs([str(broken)]):
                assert (item.data is None) != (item.error is None)


def test_sorting_on_disk_agrees_with_sorting_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [f"{random.Random(i).random()}-\udcff-ä" for i in range(50)]
    expected = list(in_order(some))
    monkeypatch.setattr(inputs_module, "_SORTED_IN_MEMORY", 7)
    assert list(in_order(some)) == expected
    assert expected != some


# --- comparing


def test_compare_names_what_changed(tmp_path: Path) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    with open_journal(old) as journal:
        for name, data in (("same", b"12"), ("worse", b"12"), ("gone", b"1")):
            journal.append(report(name, data))
    with open_journal(new) as journal:
        for name, data in (("worse", b"1"), ("same", b"12"), ("more", b"1")):
            journal.append(report(name, data))
    changes = {c.name: c for c in compare(old, new)}
    assert {n: c.kind(False) for n, c in changes.items()} == {
        "worse": "changed", "same": "same", "more": "added", "gone": "removed",
    }  # fmt: skip
    assert (changes["worse"].before, changes["worse"].after) == ("pass", "fail")
    assert changes["worse"].rules == (("glasses", "pass", "fail"),)
