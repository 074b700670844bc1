"""``drf serve`` over HTTP: verbs, errors, limits, the token, streams, the page's routes, the command."""

import contextlib
import http.client
import importlib.util
import json
import os
import signal
import socket
import time

import pytest

from drf.cli import main
from drf.journal import VERBS
from drf.journal import replay as carry_out
from drf.serve.openapi import document
from drf.serve.verbs import CHANGES, QUESTIONS
from tests.serving import Local, Refused, Server, event

BY_HAND = {"clock": "client", "runs": "client"}
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def server():
    """Shared by those tests that use names of their own."""
    with Local(settings={**BY_HAND, "options": {"agent_order": "id"}}) as made:
        yield made
        made.stop()
        assert made.error is None


@pytest.fixture
def own():
    """Starts a server for one test."""
    with contextlib.ExitStack() as started:
        yield lambda **plan: started.enter_context(Local(**plan))


def test_a_master_gets_offers_answers_them_and_asks_why(own):
    server = own(settings=BY_HAND)
    server.post("add_agent", name="m1", resources="cpus:9;mem:18", attributes={"rack": "r1"})
    server.post("add_framework", name="A", roles=["a"])
    decided = server.post("run")["result"]
    (offer,) = decided["offers"]
    assert (offer["id"], offer["framework"], offer["agent"]) == (1, "A", "m1")
    assert offer["resources"] == {"cpus": 9, "mem": 18}
    assert "objects" not in offer
    server.post("accept", offer=1, tasks={"t1": {"resources": {"cpus": 2}, "priority": 3}})
    (task,) = server.get("tasks")
    assert (task["name"], task["resources"], task["priority"]) == ("t1", {"cpus": 2}, 3)
    why = server.get("why", "?framework=A&change=false")
    assert why["standings"][0]["obstacles"]["m1"]["rule"] == "refused"
    assert "until 5 s" in why["text"]
    server.post("advance", now=5)
    assert server.post("run")["result"]["offers"][0]["resources"] == {"cpus": 7, "mem": 18}
    server.post("release", task="t1")
    assert server.get("holdings", "?framework=A") == [
        {"agent": "m1", "role": "a", "held": False, "resources": {"cpus": 7, "mem": 18}}
    ]
    assert server.get("share", "?framework=A") == 1.0
    assert server.get("check") is True
    assert server.get("next_deadline") == 6.0


def test_what_is_more_than_numbers_is_exact_and_comes_back(own):
    server = own(settings=BY_HAND)
    objects = [
        {
            "name": "cpus",
            "value": 2,
            "reservations": [{"role": "a", "type": "dynamic", "principal": None}],
        },
        {"name": "ports", "value": [[31000, 31009]]},
        {"name": "cpus", "value": 1, "revocable": True},
    ]
    server.post("add_agent", name="m1", resources=objects)
    server.post("add_framework", name="A", roles=["a"])
    (offer,) = server.post("run")["result"]["offers"]
    assert offer["resources"] == {"cpus": 3}
    assert {"name": "ports", "value": [[31000, 31009]]} in offer["objects"]
    server.post("accept", offer=offer["id"], used=offer["objects"])
    (held,) = server.get("holdings", "?framework=A")
    assert held["objects"] == offer["objects"]


def test_decisions_follow_events_by_themselves(own):
    server = own(settings={"options": {"offer": "demand"}})
    server.batch(
        event("add_agent", name="m1", resources="cpus:4"),
        event("add_framework", name="A"),
        event("request", name="A", shape="cpus:1", count=2),
    )
    (offer,) = server.get("open_offers")["offers"]
    assert offer["tasks"] == [{"resources": {"cpus": 1}, "count": 2}]
    with pytest.raises(Refused, match="the clock is the server's") as refused:
        server.post("advance", now=1e10)
    assert refused.value.status == 422


def test_time_makes_decisions_too(own):
    server = own(settings={"options": {"offer_timeout": 0.3}})
    server.batch(
        event("add_agent", name="m1", resources="cpus:4"), event("add_framework", name="A")
    )
    first = server.get("open_offers")
    assert [offer["id"] for offer in first["offers"]] == [1]
    deadline = time.monotonic() + 30
    while not any(
        1 in told_of["rescinds"]
        for told_of in server.get("decisions", f"?follow=false&after={first['decisions']}")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reclaim_is_planned_looked_at_and_carried_out(own):
    server = own(settings=BY_HAND)
    server.batch(
        event("add_agent", name="m1", resources="cpus:4"),
        event("add_framework", name="A", roles=["a"]),
        event("run"),
        event("accept", offer=1, tasks={f"t{i}": {"resources": "cpus:1"} for i in range(4)}),
        event("add_framework", name="B", roles=["b"]),
    )
    query = "?framework=B&shape=cpus:1&tasks=2&grace=10"
    plan = server.get("plan_reclaim", query)
    assert len(plan["reclaims"]) == 2
    assert server.get("plan_reclaim", query)["plan"] == plan["plan"]
    demand = {"framework": "B", "shape": "cpus:1", "tasks": 2, "grace": 10}
    server.post("release", task=plan["reclaims"][0]["task"])
    with pytest.raises(Refused, match="plan_reclaim again"):
        server.post("reclaim", **demand, plan=plan["plan"])
    done = server.post("reclaim", **demand)["result"]
    (taken,) = server.post("run")["result"]["reclaims"]
    assert [taken["task"]] == [one["task"] for one in done["reclaims"]]
    assert taken["deadline"] == 10


def test_the_table_has_all_verbs_and_the_document_is_made_of_it(server):
    assert set(CHANGES) == {*VERBS, "run"}
    described = json.loads(server.send("GET", "/openapi.json")[2])
    assert described == json.loads(json.dumps(document()))
    verbs = {path.removeprefix("/v1/") for path in described["paths"]}
    assert verbs == {*CHANGES, *QUESTIONS, "batch", "decisions"}
    assert all(one["summary"] for path in described["paths"].values() for one in path.values())


ERRORS = [
    ("POST", "add_agent", '{"name": "e1"', 400, "Malformed", "no JSON"),
    ("POST", "add_agent", '{"name": "e1", "resources": NaN}', 400, "Malformed", "NaN"),
    (
        "POST",
        "add_agent",
        '{"name": "e1", "resources": {"cpus": 1e999}}',
        400,
        "Malformed",
        "1e999",
    ),
    (
        "POST",
        "add_agent",
        '{"name": "\\ud800", "resources": "cpus:1"}',
        400,
        "Malformed",
        "half a character",
    ),
    ("POST", "add_agent", "[" * 100_000, 400, "Malformed", "too deep"),
    ("POST", "add_agent", b"\xff", 400, "Malformed", "UTF-8"),
    ("POST", "add_agent", '{"name": "e1"}', 400, "Malformed", "has no 'resources'"),
    (
        "POST",
        "add_agent",
        '{"name": "e1", "resources": "cpus:1", "color": 1}',
        400,
        "Malformed",
        "'color'",
    ),
    (
        "POST",
        "add_agent",
        '{"name": "e1", "resources": 5}',
        400,
        "Malformed",
        "resources is 5; it is an amount",
    ),
    ("POST", "add_agent", '{"name": "e1", "resources": "cpus:-1"}', 422, "InvalidQuantity", "cpus"),
    ("POST", "remove_agent", '{"name": "nobody"}', 404, "UnknownName", "nobody"),
    ("POST", "accept", '{"offer": 10000}', 409, "StaleOffer", "10000"),
    ("POST", "accept", '{"offer": true}', 400, "Malformed", "offer is true"),
    ("POST", "release", "{}", 422, "InvalidOption", "say what ended"),
    ("POST", "advance", '{"now": -1}', 400, "Malformed", "0 to 1e12"),
    (
        "POST",
        "batch",
        '{"events": [{"do": "accept"}]}',
        400,
        "Malformed",
        "events[0] has no 'with'",
    ),
    ("POST", "batch", '{"events": [{"do": "fly"}]}', 400, "Malformed", "no verb"),
    ("POST", "fly", "{}", 404, "UnknownVerb", "/v1/fly"),
    ("GET", "accept", None, 405, "WrongMethod", "GET"),
    ("GET", "share", None, 400, "Malformed", "has no 'framework'"),
    ("GET", "share?framework=a&framework=b", None, 400, "Malformed", "twice"),
    ("GET", "starving?at_least=x", None, 400, "Malformed", "at_least"),
    ("GET", "decisions?after=other-1&follow=false", None, 410, "Gone", "other-1"),
    ("GET", "decisions?follow=no", None, 400, "Malformed", "follow"),
]


@pytest.mark.parametrize(
    ("method", "verb", "body", "status", "kind", "message"), ERRORS, ids=range(len(ERRORS))
)
def test_errors_say_what_is_wrong_and_change_nothing(
    server, method, verb, body, status, kind, message
):
    before = server.get("snapshot")
    found, headers, text = server.send(method, f"/v1/{verb}", body, Content_Type="application/json")
    assert found == status
    assert headers.get_content_type() == "application/json"
    error = json.loads(text)["error"]
    assert error["kind"] == kind
    assert message in error["message"]
    assert server.get("snapshot") == before


def test_a_body_of_another_type_is_refused_and_so_is_what_a_foreign_page_can_send(server):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/x-ndjson"):
        status, _, text = server.send("POST", "/v1/pause", "{}", Content_Type=kind)
        assert (status, json.loads(text)["error"]["kind"]) == (415, "WrongType")
    status, _, text = server.send("GET", "/v1/overview", Host="evil.example:80")
    assert (status, json.loads(text)["error"]["kind"]) == (403, "Forbidden")
    for host in ("localhost:1", "[::1]:1", "127.0.0.1"):
        assert server.send("GET", "/v1/overview", Host=host)[0] == 200


def test_events_of_a_batch_stand_each_for_itself(server):
    outcomes = server.batch(
        event("add_agent", name="b1", resources="cpus:1"),
        event("add_agent", name="b1", resources="cpus:1"),
        event("remove_agent", name="b1"),
    )
    assert [list(outcome) for outcome in outcomes] == [["event"], ["error"], ["event"]]
    assert outcomes[1]["error"]["kind"] == "DuplicateName"
    assert outcomes[2]["event"] == outcomes[0]["event"] + 1


def test_an_id_is_carried_out_once(server):
    first = server.post("add_agent", "once", name="k1", resources="cpus:1")
    again = server.post("add_agent", "once", name="k1", resources="cpus:1")
    assert again == {**first, "repeated": True}
    (batched,) = server.batch(event("add_agent", "once", name="k1", resources="cpus:1"))
    assert batched == again
    with pytest.raises(Refused, match="another event's") as refused:
        server.post("remove_agent", "once", name="k1")
    assert refused.value.kind == "Conflict"
    for _ in range(2):  # what was refused left its id free
        with pytest.raises(Refused, match="k1"):
            server.post("add_agent", "twice", name="k1", resources="cpus:1")
    server.post("remove_agent", "twice", name="k1")


def test_lines_are_answered_as_they_come(server):
    connection = server.connect()
    connection.putrequest("POST", "/v1/batch")
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()

    def send(text):
        data = text.encode()
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))

    whole = json.dumps(event("add_agent", name="l1", resources="cpus:1")) + "\n"
    send(whole[:10])
    send(whole[10:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert "event" in json.loads(answer.readline())
    send('{"do": "remove_agent", "with": {"name": "l1"}}\n\nno json\n')
    assert "event" in json.loads(answer.readline())
    assert json.loads(answer.readline())["error"]["kind"] == "Malformed"
    send('{"do": "remove_agent", "with": {"name": "l1"}}')  # the last needs no end
    connection.send(b"0\r\n\r\n")
    assert json.loads(answer.readline())["error"]["kind"] == "UnknownName"
    assert answer.read() == b""
    connection.close()


@contextlib.contextmanager
def stream(server, query="", accept="application/x-ndjson", **headers):
    connection = server.connect()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", f"/v1/decisions{query}", headers={"Accept": accept, **headers})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers.get_content_type() == accept
    with contextlib.closing(connection), contextlib.closing(answer):
        yield answer


def next_line(answer):
    while not (line := answer.readline().strip()):
        assert not answer.isclosed()
    return line.decode()


def test_decisions_are_told_and_can_be_gone_on_with(own):
    server = own(settings=BY_HAND)
    server.batch(
        event("add_agent", name="d1", resources="cpus:4"), event("add_framework", name="D")
    )
    told_of = []
    with stream(server) as live, stream(server, accept="text/event-stream") as events:
        for _ in range(3):
            decided = server.post("run")["result"]
            told_of.append(decided)
            server.post("decline", offer=decided["offers"][0]["id"], refuse_seconds=0)
            assert json.loads(next_line(live)) == decided
        lines = [next_line(events) for _ in range(4)]
    assert lines[0] == ": here"
    assert lines[1:3] == [f"id: {told_of[0]['id']}", "event: decisions"]
    assert json.loads(lines[3].removeprefix("data: ")) == told_of[0]
    ids = [decided["id"] for decided in told_of]
    assert server.get("open_offers")["decisions"] == ids[-1]
    with stream(server, f"?after={ids[0]}") as again:
        assert [json.loads(next_line(again))["id"] for _ in ids[1:]] == ids[1:]
    with stream(server, accept="text/event-stream", Last_Event_ID=ids[1]) as again:
        assert [next_line(again) for _ in range(2)][1] == f"id: {ids[2]}"
    assert server.get("decisions", f"?follow=false&after={ids[1]}") == told_of[2:]
    last = told_of[-1]["offers"][0]["id"]
    again = [
        one
        for number in range(last + 1, last + 101)
        for one in (
            event("run"),
            event("accept", offer=number),
            event("release", framework="D", agent="d1", resources="cpus:4"),
        )
    ]
    more = [outcome["result"] for outcome in server.batch(*again)[::3]]
    assert server.get("decisions", f"?follow=false&after={ids[-1]}") == more


def test_metrics_are_those_of_prometheus_and_mean_mesos(own):
    parser = pytest.importorskip("prometheus_client.parser")
    server = own(settings=BY_HAND)
    server.batch(
        event("add_agent", name="m1", resources="cpus:8;mem:16"),
        event("add_framework", name="f", roles=['a/"b\\c']),
        event("update_quota", role="a", guarantees="cpus:2", limits={"cpus": 6}),
        event("run"),
        event("decline", offer=1, refuse_seconds=60),
        event("decline", offer=1),
    )
    status, headers, text = server.send("GET", "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["drf_resources_total", "cpus"] == 8
    assert found["drf_role_dominant_share", 'a/"b\\c'] == 0
    assert found["drf_offer_filters_active", 'a/"b\\c'] == 1
    assert found["drf_quota_guarantee", "a", "cpus"] == 2
    assert found["drf_quota_limit", "a", "cpus"] == 6
    assert found["drf_offers_total",] == 1
    assert found["drf_events_total", "decline"] == 1
    assert found["drf_errors_total", "StaleOffer"] == 1
    assert found["drf_allocation_run_seconds_count",] == 1
    mesos = server.get("metrics")
    assert mesos["allocator/mesos/resources/cpus/total"] == 8
    assert len(mesos) == sum(name[0] in HELPED for name in found)


HELPED = {
    "drf_allocation_runs_total",
    "drf_resources_total",
    "drf_resources_offered_or_allocated",
    "drf_role_dominant_share",
    "drf_offer_filters_active",
    "drf_quota_guarantee",
    "drf_quota_limit",
    "drf_quota_offered_or_allocated",
    "drf_quota_consumed",
}


def test_an_overview_that_is_the_same_is_not_sent_again(server):
    server.batch(event("add_agent", name="o1", resources="cpus:1"))
    status, headers, text = server.send("GET", "/v1/overview")
    assert status == 200
    assert "o1" in [agent["name"] for agent in json.loads(text)["agents"]]
    tag = headers["ETag"]
    assert server.send("GET", "/v1/overview", If_None_Match=tag)[0] == 304
    server.post("remove_agent", name="o1")
    status, headers, text = server.send("GET", "/v1/overview", If_None_Match=tag)
    assert status == 200
    assert headers["ETag"] != tag
    assert "o1" not in [agent["name"] for agent in json.loads(text)["agents"]]


def test_a_token_is_demanded_of_all_that_shows_the_state(own):
    server = own(token=TOKEN)
    right = f"Bearer {TOKEN}"
    for path in ("/v1/overview", "/metrics", "/openapi.json", "/v1/decisions", "/v1/nothing"):
        for given in ({}, {"Authorization": right[:-1]}, {"Authorization": f"Basic {TOKEN}"}):
            status, headers, text = server.send("GET", path, **given)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert TOKEN not in text
    for path in ("/", "/page.js", "/page.css", "/health"):
        assert server.send("GET", path)[0] == 200
    assert server.send("GET", "/v1/overview", Authorization=right)[0] == 200
    assert server.send("POST", "/v1/pause", "{}", Content_Type="application/json")[0] == 401


def test_what_is_too_large_is_refused(own):
    server = own(limits={"body": 1000})
    long = json.dumps({"name": "x" * 1000, "resources": "cpus:1"})
    status, _, text = server.send("POST", "/v1/add_agent", long, Content_Type="application/json")
    assert (status, json.loads(text)["error"]["kind"]) == (413, "TooLarge")
    status, _, text = server.send("POST", "/v1/batch", long, Content_Type="application/x-ndjson")
    assert (status, json.loads(text)["error"]["kind"]) == (200, "TooLarge")
    many = "".join(json.dumps(event("pause")) + "\n" for _ in range(100))
    status, _, text = server.send("POST", "/v1/batch", many, Content_Type="application/x-ndjson")
    assert len([line for line in text.splitlines() if "event" in json.loads(line)]) == 100
    assert server.get("overview")["agents"] == []


def test_connections_are_counted_and_idle_ones_ended(own):
    server = own(limits={"connections": 3, "idle": 0.5})
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    idle[1].sendall(b"GET / HTTP/1.1\r\nHost: ")  # a head that does not come to its end
    body = b"POST /v1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    idle[2].sendall(body)
    time.sleep(0.1)
    with pytest.raises(Refused) as refused:
        server.get("overview")
    assert (refused.value.status, refused.value.kind) == (503, "Full")
    for connection in idle:
        connection.settimeout(30)
    assert [connection.recv(9) for connection in idle] == [b"", b"", b"HTTP/1.1 "]
    assert b"TooSlow" in idle[2].recv(10_000)
    for connection in idle:
        connection.close()
    deadline = time.monotonic() + 30
    while server.send("GET", "/v1/overview")[0] == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_whoever_does_not_read_is_left(own):
    server = own(limits={"connections": 1, "idle": 0.5})
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        deadline = time.monotonic() + 30
        for status in (503, 200):  # it takes the place, and loses it
            while server.send("GET", "/health")[0] != status:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_stream_outlives_the_idle_time(own):
    server = own(limits={"idle": 0.5}, settings=BY_HAND)
    with stream(server) as live:
        time.sleep(2.5)
        server.batch(
            event("add_agent", name="m", resources="cpus:1"),
            event("add_framework", name="f"),
            event("run"),
        )
        assert json.loads(next_line(live))["offers"][0]["agent"] == "m"


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


@pytest.mark.skipif(os.name != "posix", reason="needs sockets in the file system")
def test_a_socket_in_the_file_system(tmp_path, capsys):
    path = tmp_path / "drf.sock"
    with Local(unix=path) as server:
        assert server.where == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        connection = Unix(path)
        connection.request("GET", "/v1/overview", headers={"Host": "whatever"})
        assert connection.getresponse().status == 200
        connection.close()
        assert "another server" in failing(capsys, "--unix", path)
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as left:  # as a server that was killed leaves it
        left.bind(str(path))
    with Local(unix=path):
        pass
    path.write_text("a file")
    assert "no socket" in failing(capsys, "--unix", path)
    assert path.read_text() == "a file"


def failing(capsys, *options):
    assert main(["serve", *map(str, options)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("drf: ")
    assert told.count("\n") == 1
    return told


def test_what_cannot_be_served_is_said_in_a_sentence(tmp_path, capsys):
    assert "--token-file" in failing(capsys, "--host", "0.0.0.0")
    (tmp_path / "short").write_text("secret")
    assert "holds no token" in failing(capsys, "--token-file", tmp_path / "short")
    assert "cannot be read" in failing(capsys, "--token-file", tmp_path / "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "it is in use" in failing(capsys, "--port", taken.getsockname()[1])
    assert "unknown policy" in failing(capsys, "--policy", "nice")
    (tmp_path / "file").write_text("")
    assert "cannot be used" in failing(capsys, "--journal", tmp_path / "file" / "state")


def test_the_extra_is_named_where_it_is_missing(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "aiohttp" else real(name)
    )
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == (
        "drf: drf serve needs aiohttp: install it with pip install 'drf-allocator[serve]'\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_good_order(tmp_path, number):
    with Server("--journal", tmp_path / "state", "--clock", "client", "--runs", "client") as server:
        server.batch(
            event("add_agent", name="m", resources="cpus:1"), event("add_framework", name="f")
        )
        with stream(server) as live:
            server.post("run")
            next_line(live)
            assert server.stop(number) == 0
            assert live.read().strip() == b""
    assert server.err == ""
    (path,) = (tmp_path / "state").glob("*.journal")
    found = carry_out(path.read_text().splitlines())
    assert (found.events, found.runs, found.differences, found.torn) == (2, 1, [], False)
