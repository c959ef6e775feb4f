"""The page in a real browser: Chromium, headless. Skipped where there is none."""

import shutil
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from halflife.lab.report import report_study

from .fabricated import SETTINGS, fabricated, write_ledger

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium and chromedriver"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SWITCHES = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "disable-dev-shm-usage"),
)
TO_PLOT = "document.querySelector('.plot').scrollIntoView({block: 'center'})"
DRAWN = "return document.querySelector('.plot')?.classList.contains('drawn') ?? false"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_ledger(folder, [fabricated(replace(SETTINGS, epochs=5))])
    return report_study(folder, folder / "a report.html").as_uri()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for switch in (*SWITCHES, f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(chromium, address):
    def show(width=1600, scheme="light"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chromium.get(address)
        chromium.execute_script(TO_PLOT)
        until(lambda: chromium.execute_script(DRAWN))
        return chromium

    return show


def until(true, seconds=60):
    """The machine may be busy."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def move_to_cell(browser, row, column, rows=5, columns=7):
    """The mouse to a cell of the first heatmap."""
    browser.execute_script(TO_PLOT)
    box = browser.execute_script("return document.querySelector('.plot .nsewdrag').getBoundingClientRect().toJSON()")
    x, y, width, height = (box[name] for name in ("x", "y", "width", "height"))
    at = {"x": x + width * (column + 0.5) / columns, "y": y + height * (rows - row - 0.5) / rows}
    for step in (3, 0):
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": at["x"] - step, "y": at["y"]})


def test_there_is_no_error_and_no_request(show):
    browser = show()
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.execute_script("document.querySelectorAll('.plot:not(.drawn)').forEach(draw)")
    until(lambda: browser.execute_script("return !document.querySelector('.plot:not(.drawn)')"))
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)") == []


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 3)])
def test_a_cell_says_its_value_under_the_cursor(show, row, column):
    browser = show()
    found = fabricated(replace(SETTINGS, epochs=5)).findings[0]
    move_to_cell(browser, row, column)
    hover = "return document.querySelector('.plot .hoverlayer').textContent"
    until(lambda: browser.execute_script(hover))
    said = browser.execute_script(hover)
    assert f"lr {found.lrs[row]:g}, λ {found.lams[column]:g}" in said
    assert f"{100 * found.error[row, column]:.1f} ± {100 * found.val[:, row, column].std(ddof=1):.1f} %" in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 800, 1600])
def test_nothing_sticks_out_of_the_page(show, width, scheme):
    browser = show(width, scheme)
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
    right = "return Math.max(...[...document.querySelectorAll('.plot')].map(p => p.getBoundingClientRect().right))"
    assert browser.execute_script(right) <= width


def test_dark_changes_page_and_plots_and_light_again(show):
    browser = show(scheme="dark")
    page = "return getComputedStyle(document.body).backgroundColor"
    tick = "return getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    dark = browser.execute_script(page), browser.execute_script(tick)
    assert dark == ("rgb(13, 17, 23)", "rgb(230, 237, 243)")
    features = [{"name": "prefers-color-scheme", "value": "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    until(lambda: browser.execute_script(tick) == "rgb(31, 35, 40)")
    assert browser.execute_script(page) == "rgb(255, 255, 255)"


def column(browser, index):
    rows = "[...document.querySelectorAll('#all-cells tbody tr')].filter(row => !row.hidden)"
    return browser.execute_script(f"return {rows}.map(row => row.cells[{index}].textContent)")


def click(browser, heading):
    browser.execute_script(
        "[...document.querySelectorAll('#all-cells th button')].find(b => b.textContent === arguments[0]).click()",
        heading,
    )


def test_a_heading_sorts_by_number_up_then_down(show):
    browser = show()
    click(browser, "validation error")
    errors = [float(text.removesuffix(" %")) for text in column(browser, 3)]
    assert errors == sorted(errors)
    assert errors[0] < 10 < errors[-1]
    click(browser, "validation error")
    assert [float(text.removesuffix(" %")) for text in column(browser, 3)] == errors[::-1]
    click(browser, "λ")
    assert [float(text) for text in column(browser, 2)] == sorted(float(text) for text in column(browser, 2))
    sorted_by = "return [...document.querySelectorAll('#all-cells th[aria-sort]')].map(h => h.textContent)"
    assert browser.execute_script(sorted_by) == ["λ"]


def test_the_table_shows_one_optimizer(show):
    browser = show()
    assert len(column(browser, 0)) == 3 * 35 + 5
    choose = "const f = document.getElementById('filter'); f.value = arguments[0]; f.dispatchEvent(new Event('change'))"
    browser.execute_script(choose, "ProxAdam")
    assert set(column(browser, 0)) == {"ProxAdam"}
    assert browser.execute_script("return document.getElementById('count').textContent") == "35 cells"
    browser.execute_script(choose, "")
    assert len(column(browser, 0)) == 110


def test_plots_are_named_and_headings_in_order(show):
    browser = show(400)
    unnamed = "return [...document.querySelectorAll('[role=img]')].filter(p => !p.ariaLabel).length"
    assert browser.execute_script(unnamed) == 0
    names = browser.execute_script("return [...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    levels = [int(name[1]) for name in names]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
