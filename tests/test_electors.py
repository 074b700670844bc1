"""Who of several masters decides: ours elect one, and electors with a planted fault are convicted."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from typing import ClassVar

import pytest

from drf.errors import InputError, InvalidOption, UnknownName
from drf.masters.electors import Alone, FileLock, myself
from drf.plugins import Standing
from drf.testing import check_elector

HOLDER = """
import sys
from typing import ClassVar
from drf.masters.electors import FileLock
elector = FileLock(sys.argv[1], sys.argv[2])
print(elector.campaign().term, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["alone", "file"])
def test_ours_keep_all(name):
    found = check_elector(name)
    assert found, str(found)


class TestFileLock:
    def test_one_process_leads_and_the_next_when_it_is_killed(self, tmp_path):
        path = tmp_path / "sub" / "leader"
        command = [sys.executable, "-c", HOLDER, str(path), "first"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
            assert first.stdout.readline() == b"1\n"
            second = FileLock(path, "second")
            assert second.campaign() == Standing(False, "first", 1)
            assert second.leader() == "first"
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert second.leader() is None
        assert second.campaign() == Standing(True, "second", 2)
        assert second.leader() == FileLock(path, "third").leader() == "second"
        second.resign()
        second.resign()
        assert second.leader() is None

    def test_a_file_that_was_removed_or_replaced_is_lost(self, tmp_path):
        path = tmp_path / "leader"
        first, second = FileLock(path, "a long name of the first"), FileLock(path, "b")
        assert first.campaign().leads
        os.unlink(path)
        assert second.campaign() == Standing(True, "b", 1)
        assert first.leader() is None
        assert first.campaign() == Standing(False, "b", 1)
        second.resign()
        assert first.campaign() == Standing(True, "a long name of the first", 2)
        first.resign()
        assert second.campaign().term == 3  # a shorter line over a longer one
        assert json.loads(path.read_text().partition("\n")[0])["leader"] == "b"
        second.resign()

    def test_a_file_of_something_else_is_left_alone(self, tmp_path):
        path = tmp_path / "passwd"
        path.write_text("root:x:0:0")
        with pytest.raises(InputError, match="holds something else than a leader"):
            FileLock(path).campaign()
        assert path.read_text() == "root:x:0:0"
        with pytest.raises(InputError, match="cannot be locked"):
            FileLock(tmp_path).campaign()

    def test_identities(self, tmp_path):
        assert FileLock(tmp_path / "x").identity == Alone().identity == myself()
        for wrong in ("", 7):
            with pytest.raises(InvalidOption, match="identity"):
                Alone(wrong)


# -- electors with a fault


class Good:
    """Elects within one process."""

    interval = 1.0
    votes: ClassVar = {}

    def __init__(self, identity):
        if identity == "m0":  # a new election
            self.votes.clear()
        self.identity = identity

    def campaign(self):
        leader = self.votes.setdefault("leader", self.identity)
        if leader == self.identity and self.votes.get("of") != leader:
            self.votes["of"] = leader
            self.votes["term"] = self.votes.get("term", 0) + 1
        return Standing(leader == self.identity, leader, self.votes["term"])

    def leader(self):
        return self.votes.get("leader")

    def resign(self):
        if self.votes.get("leader") == self.identity:
            del self.votes["leader"], self.votes["of"]


class AllLead(Good):
    def campaign(self):
        return Standing(True, self.identity, 1)


class NobodyLeads(Good):
    def campaign(self):
        return Standing(False, None, 0)


class Usurps(Good):
    """Whoever asks last leads, and the one before is told."""

    def campaign(self):
        self.votes["leader"] = self.identity
        return super().campaign()


class NeverHandsOver(Good):
    def resign(self):
        pass


class SameTerm(Good):
    def campaign(self):
        return super().campaign()._replace(term=1)


class TermsOfNoUse(Good):
    count = itertools.count(1)

    def campaign(self):
        return super().campaign()._replace(term=next(self.count))


class NamesAnother(Good):
    def leader(self):
        return "somebody"


class Raises(Good):
    def resign(self):
        raise OSError("no")


class SaysYes(Good):
    def campaign(self):
        return True


class NoInterval(Good):
    interval = 0


@pytest.mark.parametrize(
    ("factory", "lost", "said"),
    [
        (AllLead, "one_leader", "leads, and so does"),
        (NobodyLeads, "succession", "stands, nobody leads, and it is not elected"),
        (Usurps, "one_leader", "leads, and so does"),
        (NeverHandsOver, "succession", "nobody leads, and it is not elected"),
        (SameTerm, "terms", "leads in term 1 after 1"),
        (TermsOfNoUse, "terms", "leads on, in term"),
        (NamesAnother, "identity", "sees somebody lead"),
        (Raises, "verbs", "resign of m. raised OSError: no"),
        (SaysYes, "verbs", "gave True, which is no Standing"),
        (NoInterval, "verbs", "interval of m0 is 0"),
    ],
)
def test_planted_fault_is_found(factory, lost, said):
    assert check_elector(Good)
    found = check_elector(factory, invariants=[lost])
    (result,) = found.results
    assert result.outcome == "fails", str(found)
    assert re.search(said, result.reason), result.reason
    assert found.subject == factory.__name__


def test_errors():
    with pytest.raises(UnknownName, match="one_leader"):
        check_elector("alone", invariants=["one leader"])
    with pytest.raises(UnknownName, match="unknown elector 'fille'; did you mean file"):
        check_elector("fille")
