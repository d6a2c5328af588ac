"""The page in a real browser."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from api.app import create_app
from api.settings import Settings

from .browser import FLAGS, accessible, axe_source, chromium, narrow_enough, video
from .conftest import served
from .page_engine import PageEngine, portrait

pytestmark = pytest.mark.browser

WIDE = FilePayload(name="wide.jpg", mimeType="image/jpeg", buffer=portrait())
UPRIGHT = FilePayload(name="upright.jpg", mimeType="image/jpeg", buffer=portrait(600, 800))
TEXT = FilePayload(name="notes.jpg", mimeType="image/jpeg", buffer=b"no picture")
SHOTS = os.environ.get("SCREENSHOTS")
"""Folder for screenshots to look at, if any are wanted."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    film = video(tmp_path_factory.mktemp("camera") / "camera.y4m", portrait(640, 480))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def engine() -> PageEngine:
    return PageEngine()


@pytest.fixture(scope="module")
def base(engine: PageEngine) -> Iterator[str]:
    with served(create_app(Settings(), engine)) as found:
        yield found


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, base: str) -> Iterator[Open]:
    """`opened(width=..., scheme=...)`: the page; at the end nothing may have gone to other hosts or failed."""
    contexts = []
    complaints: list[str] = []

    def open_(width: int = 1200, scheme: str = "light", url: str = base) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on(
            "request",
            lambda r: None if r.url.startswith((url, "blob:", "data:")) else complaints.append(r.url),
        )
        page.on(
            "console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None
        )
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(url)
        expect(page.locator("#policy option")).to_have_count(3)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def pick(page: Page, *files: FilePayload) -> None:
    page.set_input_files("#file", list(files))


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def visible_marks(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('#marks g')]
        .filter((g) => { const s = getComputedStyle(g); return s.visibility === 'visible' && s.opacity > 0.5; })
        .map((g) => g.dataset.rule)"""
    )
    return found


def test_a_photo_that_fails(opened: Open) -> None:
    page = opened()
    pick(page, WIDE)
    expect(page.locator("#verdict")).to_contain_text("does not pass")
    expect(page.locator("#verdict")).to_be_focused()
    expect(page.locator("#verdict-more")).to_contain_text("2 things must change.")
    rules = page.locator("#rules > li")
    expect(rules).to_have_count(8)
    expect(rules.nth(0)).to_contain_text("Your face is too far to the left")
    expect(page.locator('#rules [data-rule="glasses"]')).to_contain_text("Take them off.")
    expect(page.locator('#rules [data-rule="lighting"]')).to_contain_text("? Not checked")
    shoot(page, "fail-desktop")


def test_pointing_at_a_rule_shows_its_evidence_alone(opened: Open) -> None:
    page = opened()
    pick(page, WIDE)
    expect(page.locator("#marks g")).to_have_count(6)
    assert set(visible_marks(page)) == {"crop", "centering", "glasses", "hair"}
    for rule in ("glasses", "pose"):
        page.locator(f'#rules [data-rule="{rule}"]').hover()
        page.wait_for_function(f"() => document.querySelector('#marks g.on')?.dataset.rule === '{rule}'")
        page.wait_for_function(
            "() => [...document.querySelectorAll('#marks g:not(.on)')]"
            ".every((g) => getComputedStyle(g).opacity === '0')"
        )
        assert visible_marks(page) == [rule]
    page.mouse.move(0, 0)
    expect(page.locator("#marks g.on")).to_have_count(0)
    page.locator('#rules [data-rule="framing"] button').focus()
    expect(page.locator("#marks g.on")).to_have_attribute("data-rule", "framing")


def test_evidence_lies_where_it_belongs(opened: Open) -> None:
    page = opened()
    pick(page, WIDE)
    shape = '#marks [data-rule="glasses"] rect.shape'
    expect(page.locator(shape)).to_be_attached()
    # both at one moment: what appears above the photo moves them together
    photo, box = page.evaluate(
        "(shape) => ['#photo', shape].map((s) => document.querySelector(s).getBoundingClientRect().toJSON())",
        shape,
    )
    scale = photo["width"] / 900
    assert box["x"] - photo["x"] == pytest.approx((558 - 78) * scale, abs=4)
    assert box["y"] - photo["y"] == pytest.approx(192 * scale, abs=4)


def test_keyboard_alone(opened: Open) -> None:
    page = opened()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#policy")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#pick")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.evaluate("0")  # a round trip, after which Chromium hands file choosers to the test
        page.keyboard.press("Enter")
    chooser.value.set_files(WIDE)
    expect(page.locator("#verdict")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#crop")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator('#rules [data-rule="centering"] button')).to_be_focused()
    expect(page.locator("#marks g.on")).to_have_attribute("data-rule", "centering")


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_dropped_and_pasted_photos(opened: Open, how: str) -> None:
    page = opened()
    page.evaluate(
        """([how, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], 'given.jpg', { type: 'image/jpeg' }));
            const event = how === 'drop'
                ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
            document.getElementById('drop').dispatchEvent(event);
        }""",
        [how, base64.b64encode(UPRIGHT["buffer"]).decode()],
    )
    expect(page.locator("#verdict")).to_contain_text("passes")
    expect(page.locator("#photo-name")).to_have_text("given.jpg")


def test_crop_is_applied_and_screened_again(opened: Open, engine: PageEngine) -> None:
    page = opened()
    pick(page, WIDE)
    expect(page.locator("#crop-words")).to_contain_text("would mend: Face in the middle")
    page.locator("#crop").click()
    expect(page.locator("#verdict")).to_contain_text("This photo passes")
    report = engine.screen(*engine.seen[-1])
    assert report.image is not None
    assert (report.image.width, report.image.height, report.image.format) == (444, 600, "JPEG")
    expect(page.locator("#crop")).to_be_hidden()
    with page.expect_download() as saved:
        page.locator("#cropped").click()
    assert saved.value.suggested_filename == "wide-cropped.jpg"
    shoot(page, "cropped")


def test_report_to_download(opened: Open) -> None:
    page = opened()
    pick(page, WIDE)
    with page.expect_download() as saved:
        page.locator("#download").click()
    assert saved.value.suggested_filename == "wide-report.json"
    report = json.loads(Path(saved.value.path()).read_text())
    assert report["verdict"] == "fail"
    assert report["image"]["name"] == "wide.jpg"


def test_several_photos_give_a_table(opened: Open) -> None:
    page = opened()
    pick(page, WIDE, UPRIGHT, TEXT)
    expect(page.locator("#many-title")).to_have_text("1 of 3 photos pass")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("You are wearing glasses.")
    expect(rows.nth(1)).to_contain_text("pass")
    expect(rows.nth(2)).to_contain_text("not an image")
    rows.nth(1).get_by_role("button").click()
    expect(page.locator("#verdict")).to_contain_text("passes")
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    accessible(page, axe_source())
    shoot(page, "many")


def test_policy_is_chosen_and_applies_at_once(opened: Open, engine: PageEngine) -> None:
    page = opened()
    expect(page.locator("#policy")).to_have_value("tavus-image")
    page.select_option("#policy", "tavus-phoenix-4")
    pick(page, UPRIGHT)
    expect(page.locator("#verdict")).to_be_visible()
    assert engine.seen[-1][2] == "tavus-phoenix-4"
    with page.expect_response("**/v1/screen?*"):
        page.select_option("#policy", "tavus-phoenix-4.5")
    assert engine.seen[-1][2] == "tavus-phoenix-4.5"


def test_what_is_no_photo(opened: Open) -> None:
    page = opened()
    pick(page, TEXT)
    expect(page.locator("#error")).to_contain_text("notes.jpg is not an image.")
    pick(page, FilePayload(name="a.txt", mimeType="text/plain", buffer=b"x"))
    expect(page.locator("#error")).to_contain_text("not a photo")
    pick(page, UPRIGHT)
    expect(page.locator("#error")).to_be_empty()


def test_a_format_that_the_browser_cannot_show_is_drawn_by_the_server(opened: Open) -> None:
    page = opened()
    pick(page, FilePayload(name="a.tiff", mimeType="image/tiff", buffer=portrait(kind="TIFF")))
    expect(page.locator("#verdict")).to_contain_text("does not pass")
    page.wait_for_function("() => document.getElementById('photo').naturalWidth === 900")
    expect(page.locator("#marks g")).to_have_count(6)
    expect(page.locator("#crop")).to_be_hidden()


def test_camera_gives_live_feedback_and_a_full_check(opened: Open, engine: PageEngine) -> None:
    page = opened()
    page.locator("#camera-open").click()
    expect(page.locator("#camera-take")).to_be_focused()
    expect(page.locator("#live > li")).to_have_count(5)
    expect(page.locator("#live-summary")).to_have_text("Use the crop below, or move to the middle.")
    page.wait_for_function("() => Number(document.getElementById('live').dataset.answers) >= 3")
    assert engine.seen[-1][3] == ("one_person", "framing", "centering", "pose", "lighting")
    shoot(page, "camera")
    accessible(page, axe_source())
    page.locator("#camera-take").click()
    expect(page.locator("#verdict")).to_contain_text("does not pass")
    expect(page.locator("#camera")).to_be_hidden()
    data, name, _, rules = engine.seen[-1]
    assert (name, rules) == ("camera.jpg", None)
    report = engine.screen(data, name, "tavus-image")
    assert report.image is not None
    assert (report.image.width, report.image.height) == (640, 480)
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_without_https_the_page_says_how_to_get_the_camera(opened: Open, base: str) -> None:
    page = opened(url=base.replace("127.0.0.1", "plain.test"))
    page.locator("#camera-open").click()
    expect(page.locator("#camera-help")).to_contain_text("over HTTPS")
    expect(page.locator("#camera-help")).to_contain_text("proxy")
    expect(page.locator("#camera-take")).to_be_hidden()
    page.locator("#camera-close").click()
    pick(page, UPRIGHT)
    expect(page.locator("#verdict")).to_contain_text("passes")


def test_privacy_is_said(opened: Open) -> None:
    page = opened()
    expect(page.get_by_text("Photos stay on this server")).to_be_visible()
    expect(page.get_by_text("not kept")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_accessible_and_narrow_enough(opened: Open, scheme: str, width: int) -> None:
    page = opened(width=width, scheme=scheme)
    source = axe_source()
    accessible(page, source)
    narrow_enough(page)
    shoot(page, f"start-{scheme}-{width}")
    for photo, words in ((WIDE, "does not pass"), (UPRIGHT, "passes")):
        pick(page, photo)
        expect(page.locator("#verdict")).to_contain_text(words)
        accessible(page, source)
        narrow_enough(page)
        shoot(page, f"{photo['name']}-{scheme}-{width}")


def test_key_is_asked_for_once(browser: Browser) -> None:
    with served(create_app(Settings(api_keys=("open",)), PageEngine())) as base:
        page = browser.new_page()
        page.set_default_timeout(15_000)
        page.goto(base)
        page.locator("#key-value").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key")).to_be_visible()
        page.locator("#key-value").fill("open")
        page.keyboard.press("Enter")
        expect(page.locator("#policy option")).to_have_count(3)
        pick(page, UPRIGHT)
        expect(page.locator("#verdict")).to_contain_text("passes")
        page.close()
