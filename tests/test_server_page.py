"""The page in a real browser: what it shows, that it refreshes itself, and that those who see little can use it."""

import os
import shutil

import pytest

from tests.serving import Local, event

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

BY_HAND = {"clock": "client", "runs": "client"}
EVIL = "<img src=x onerror=alert(1)>"


def found_browser():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    return None


@pytest.fixture(scope="module")
def browser():
    path = found_browser()
    if path is None:
        assert "CI" not in os.environ, "chromium is missing; .ci/run installs it"
        pytest.skip("no Chromium here")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def visit(browser):
    """Opens the page of a server; at the end nothing has failed in it, and it asked nobody else."""
    open_ones, wrong = [], []

    def look(server, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        origin = f"http://127.0.0.1:{server.port}/"
        page.on(
            "request",
            lambda request: request.url.startswith((origin, "data:")) or wrong.append(request.url),
        )
        page.goto(origin)
        open_ones.append(context)
        return page

    yield look
    for context in open_ones:
        context.close()
    assert wrong == []


def filled(server, agents=3):
    outcomes = server.batch(
        *(
            event(
                "add_agent",
                name=f"m{i}",
                resources="cpus:8;mem:64",
                attributes={"rack": f"r{i % 7}"},
            )
            for i in range(agents)
        ),
        event("add_framework", name="spark", roles=["eng/ads"]),
        event("add_framework", name=EVIL, roles=["<b>"]),
        event("update_quota", role="eng", guarantees="cpus:2", limits={"mem": 100}),
        event("run"),
        event("accept", offer=1, used="cpus:2"),
    )
    assert all("event" in outcome for outcome in outcomes)


def test_it_says_how_to_begin_and_refreshes_itself(visit):
    with Local(settings=BY_HAND) as server:
        page = visit(server)
        page.get_by_text("Nothing here yet").wait_for()
        assert f":{server.port}/v1/add_agent" in page.locator("#example").inner_text()
        assert not page.get_by_text("Cluster").is_visible()
        filled(server)
        page.get_by_role("rowheader", name="spark").first.wait_for()
        assert not page.get_by_text("Nothing here yet").is_visible()
        assert page.locator("#agents-rows tr").count() == 3
        assert page.locator("#offers-rows tr").count() == 2
        server.post("deactivate_framework", name="spark")
        page.get_by_text("away", exact=True).wait_for()


def test_it_shows_who_has_what_and_names_are_text(visit):
    with Local(settings=BY_HAND) as server:
        filled(server)
        page = visit(server)
        page.get_by_text("Live", exact=True).wait_for()
        row = page.locator("#frameworks-rows tr", has_text=EVIL)
        assert EVIL in row.inner_text()
        assert page.locator("img").count() == 0
        cluster = page.locator("#cluster li", has_text="cpus").inner_text()
        assert "2 held, 16 offered of 24" in cluster
        assert "at least cpus 2; at most mem 100" in page.locator("#roles-rows").inner_text()
        offers = page.locator("#offers-rows").inner_text()
        assert "cpus 8, mem 64" in offers


def test_it_says_why(visit):
    with Local(settings=BY_HAND) as server:
        filled(server)
        page = visit(server)
        button = page.get_by_role("button", name="Why does spark see the offers it sees?")
        button.click()
        page.get_by_role("dialog").get_by_text("role eng/ads: holds").wait_for()
        page.get_by_role("button", name="Look for a change").click()
        page.get_by_role("dialog").get_by_text("for an offer").wait_for()
        page.keyboard.press("Escape")
        assert not page.get_by_role("dialog").is_visible()
        assert button.evaluate("one => one === document.activeElement")


def test_it_says_that_the_server_is_gone_and_can_be_paused(visit):
    with Local(settings=BY_HAND) as server:
        filled(server)
        page = visit(server)
        page.get_by_text("Live", exact=True).wait_for()
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused", exact=True).wait_for()
        server.post("add_agent", name="later", resources="cpus:1")
        page.wait_for_timeout(2500)
        assert page.get_by_text("later").count() == 0
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("rowheader", name="later").wait_for()
    page.get_by_text("The server does not answer").wait_for()
    assert page.get_by_role("rowheader", name="later").is_visible()  # what was known last


def test_it_asks_for_the_token(visit):
    with Local(settings=BY_HAND, token="a-token-of-some-length") as server:
        page = visit(server)
        for word in ("wrong", "a-token-of-some-length"):
            page.get_by_label("Token").fill(word)
            page.get_by_role("button", name="Show").click()
            if word == "wrong":
                page.get_by_text("This is not the token.").wait_for()
        page.get_by_text("Nothing here yet").wait_for()
        page.reload()  # the tab remembers
        page.get_by_text("Nothing here yet").wait_for()


def test_a_thousand_agents(visit):
    with Local(settings=BY_HAND) as server:
        filled(server, 1000)
        page = visit(server)
        page.get_by_text("Live", exact=True).wait_for()
        assert page.locator("#map i").count() == 1000
        rows = page.locator("#agents-rows tr")
        assert rows.count() == 50
        page.get_by_role("button", name="Show 200 more of 950").click()
        assert rows.count() == 250
        page.get_by_label("Find agents").fill("m99")
        assert page.locator("#agents-count").inner_text() == "11 of 1,000"  # m99, m990 to m999
        assert rows.count() == 11


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_everybody_can_use_it(visit, scheme, width, full):
    with Local(settings=BY_HAND) as server:
        if full:
            filled(server, 30)
        page = visit(server, width=width, color_scheme=scheme, bypass_csp=True)
        page.get_by_text("Live", exact=True).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 23, 26)"
        assert dark == (scheme == "dark")
        found = axe.Axe().run(page)
        assert found.response["violations"] == [], found.generate_report()
        if full:
            page.get_by_role("button", name="Why does spark").click()
            page.get_by_role("dialog").get_by_text("role eng/ads: holds").wait_for()
            found = axe.Axe().run(page)
            assert found.response["violations"] == [], found.generate_report()
