"""The page in a real browser: Chromium, headless. Skipped where there is none."""

import csv
import io
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
    """Of the rows that are shown."""
    rows = "[...document.querySelectorAll('#all-cells tbody tr')].filter(row => !row.hidden)"
    return browser.execute_script(f"return {rows}.map(row => row.cells[{index}].textContent)")


def click(browser, heading):
    browser.execute_script(
        "[...document.querySelectorAll('#all-cells th button')].find(b => b.textContent === arguments[0]).click()",
        heading,
    )


def every(browser, index):
    """Of all pages, turned one by one."""
    found = column(browser, index)
    while browser.execute_script("return !document.getElementById('after').disabled"):
        browser.execute_script("document.getElementById('after').click()")
        found += column(browser, index)
    return found


def test_a_heading_sorts_all_pages_by_number_up_then_down(show):
    browser = show()
    click(browser, "validation error")
    errors = [float(text.removesuffix(" %")) for text in every(browser, 3)]
    assert errors == sorted(errors)
    assert errors[0] < 10 < errors[-1]
    click(browser, "validation error")
    assert [float(text.removesuffix(" %")) for text in every(browser, 3)] == errors[::-1]
    click(browser, "λ")
    assert [float(text) for text in column(browser, 2)] == sorted(float(text) for text in column(browser, 2))
    sorted_by = "return [...document.querySelectorAll('#all-cells th[aria-sort]')].map(h => h.textContent)"
    assert browser.execute_script(sorted_by) == ["λ"]


CHOOSE = "const f = document.getElementById('filter'); f.value = arguments[0]; f.dispatchEvent(new Event('change'))"


def test_the_table_shows_one_optimizer(show):
    browser = show()
    assert len(every(browser, 0)) == 3 * 35 + 5
    browser.execute_script(CHOOSE, "ProxAdam")
    assert browser.execute_script("return document.getElementById('page').textContent") == "1 of 2"
    assert browser.execute_script("return document.getElementById('count').textContent") == "35 cells"
    assert set(every(browser, 0)) == {"ProxAdam"}
    browser.execute_script(CHOOSE, "")
    assert len(every(browser, 0)) == 110


def test_a_page_has_twenty_five_rows(show):
    browser = show()
    assert len(column(browser, 0)) == 25
    assert browser.execute_script("return document.getElementById('before').disabled")
    every(browser, 0)
    assert len(column(browser, 0)) == 10
    assert browser.execute_script("return document.getElementById('page').textContent") == "5 of 5"


def test_the_csv_has_every_cell_in_full(show):
    browser = show()
    rows = list(csv.reader(io.StringIO(browser.execute_script("return csv()"))))
    assert rows[0][:4] == ["optimizer", "lr", "λ", "validation error"]
    assert len(rows) == 1 + 110
    found = fabricated(replace(SETTINGS, epochs=5)).findings[0]
    first = next(row for row in rows if row[0] == found.spec.label)
    assert [float(text) for text in first[1:4]] == pytest.approx([found.lrs[0], found.lams[0], found.error[0, 0]])
    browser.execute_script(CHOOSE, "ProxAdam")
    assert len(browser.execute_script("return csv()").splitlines()) == 36
    saved = "let name; HTMLAnchorElement.prototype.click = function () { name = this.download + ' ' + this.href }; "
    name = browser.execute_script(f"{saved} document.getElementById('csv').click(); return name")
    assert name.startswith("cells.csv blob:")


CLICKED = "return [...document.querySelectorAll('tr.found')].map(r => [...r.cells].slice(0, 3).map(c => c.textContent))"


def press(browser, row, column):
    """The mouse on a cell of the first heatmap."""
    box = browser.execute_script("return document.querySelector('.plot .nsewdrag').getBoundingClientRect().toJSON()")
    x, y = box["x"] + box["width"] * (column + 0.5) / 7, box["y"] + box["height"] * (5 - row - 0.5) / 5
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        mouse = {"type": kind, "x": x, "y": y, "button": "left" if kind != "mouseMoved" else "none", "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", mouse)


def test_a_click_on_a_cell_shows_its_curve(show):
    browser = show()
    move_to_cell(browser, 3, 2)
    hover = "return document.querySelector('.plot .hoverlayer').textContent"
    until(lambda: browser.execute_script(hover))
    press(browser, 3, 2)
    chosen = "return [...document.querySelectorAll('figure.chosen figcaption b')].map(b => b.textContent)"
    until(lambda: browser.execute_script(chosen))
    lr = fabricated(replace(SETTINGS, epochs=5)).findings[0].lrs[3]
    assert browser.execute_script(chosen) == [f"lr {lr:g}"]
    bright = (
        "return [...document.querySelector('figure.chosen .plot').data].filter(d => d.opacity === 1).map(d => d.meta)"
    )
    until(lambda: browser.execute_script(bright) == [2, 2])
    open_ones = "return [...document.querySelectorAll('details[id][open]')].map(d => d.id)"
    assert browser.execute_script("return document.querySelector('.heatmap').dataset.cells") in browser.execute_script(
        open_ones
    )


def test_without_curves_a_click_finds_the_row(chromium, tmp_path):
    write_ledger(tmp_path, [fabricated(replace(SETTINGS, curves=False))])
    chromium.get(report_study(tmp_path, tmp_path / "plain.html").as_uri())
    chromium.execute_script("reveal(document.querySelectorAll('.heatmap')[1], 4, 6)")
    found = fabricated(replace(SETTINGS, curves=False)).findings[1]
    ((label, lr, lam),) = chromium.execute_script(CLICKED)
    assert (label, float(lr), float(lam)) == (found.spec.label, found.lrs[4], found.lams[6])
    assert (label, lr, lam) in list(zip(*(column(chromium, k) for k in range(3)), strict=True))


def test_kappa_is_explained_by_a_picture(show):
    browser = show()
    words = browser.execute_script("return [...document.querySelectorAll('.kappas svg')].map(s => s.ariaLabel)")
    assert [word.partition(":")[0] for word in words] == ["κ = 0", "κ = 1", "κ = −1"]


def test_plots_are_named_and_headings_in_order(show):
    browser = show(400)
    unnamed = "return [...document.querySelectorAll('[role=img]')].filter(p => !p.ariaLabel).length"
    assert browser.execute_script(unnamed) == 0
    names = browser.execute_script("return [...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    levels = [int(name[1]) for name in names]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
