"""The scheduler in docs/howto-serve.md, as it is written there, against a server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving import Local

PAGE = Path(__file__).parent.parent / "docs" / "howto-serve.md"


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return found


def test_three_tenants_get_their_weighted_shares_from_javascript(tmp_path):
    node = shutil.which("node")
    if node is None:
        assert "CI" not in os.environ, "node is missing; .ci/run installs it"
        pytest.skip("node is not installed")
    (tmp_path / "scheduler.mjs").write_text(block("js"), encoding="utf-8")
    with Local(settings={"options": {"offer": "demand"}}) as server:
        done = subprocess.run(
            [node, "scheduler.mjs", f"http://127.0.0.1:{server.port}"],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout == block("text")
        running = [task["framework"] for task in server.get("tasks")]
        assert {name: running.count(name) for name in running} == {
            "gold": 11,
            "silver": 8,
            "bronze": 4,
        }
        (offer,) = server.get("open_offers")["offers"]
        assert (offer["framework"], offer["resources"]["cpus"]) == ("gold", 1)
        assert server.get("check")
