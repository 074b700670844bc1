"""The server against its own OpenAPI document: nothing that schemathesis sends breaks it; answers are as described."""

import subprocess
import sys

import pytest

from tests.serving import Local

pytest.importorskip("schemathesis")


def fuzz(tmp_path, *options):
    # The streams of decisions do not end; how they are asked for is in test_server_http. What fits the schema may be
    # refused still: names have a grammar, amounts a limit, and verbs look at the state.
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        "--no-color",
        "--exclude-checks",
        "positive_data_acceptance",
        "--exclude-path",
        "/v1/decisions",
    ]
    settings = {"clock": "client", "runs": "client"}
    with Local(settings=settings, limits={"body": 10**6, "idle": 5.0}) as server:
        where = f"http://127.0.0.1:{server.port}/openapi.json"
        done = subprocess.run(
            [*command, where, *options], cwd=tmp_path, text=True, capture_output=True, timeout=3600
        )
        assert server.get("check")
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "passed" in done.stdout


def test_what_is_generated_is_answered_as_described(tmp_path):
    fuzz(tmp_path, "--phases", "fuzzing", "--max-examples", "3")


@pytest.mark.long
def test_much_that_is_generated_is_answered_as_described(tmp_path):
    fuzz(tmp_path, "--phases", "coverage,fuzzing", "--max-examples", "30", "--continue-on-failure")
