"""The reader of the openb trace, on small files in its format."""

import gzip

import pytest

from drf.errors import InputError, InvalidOption
from drf.resources import Resources
from drf.simulation.openb import SPACE, read_openb

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
n-cpu,32000,262144,0,
n-v,96000,393216,8,V100M32
n-t2,64000,131072,2,T4
n-t1,64000,131072,2,T4
n-t0,32000,131072,2,T4
"""
HEADER = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
)
DAY = 86400
T0 = 115 * DAY


def write(folder, pods, *, nodes=NODES, name="cpu300", header=HEADER, zipped=True):
    folder.mkdir(exist_ok=True)
    for stem, text in (
        ("openb_node_list_all_node", nodes),
        (f"openb_pod_list_{name}", header + pods),
    ):
        if zipped:
            with gzip.open(folder / f"{stem}.csv.gz", "wt", encoding="utf-8") as f:
                f.write(text)
        else:
            (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return folder


def pod(
    name="p0",
    cpu=1000,
    mem=1024,
    gpus=0,
    milli=0,
    spec="",
    qos="LS",
    created=T0,
    deleted=T0 + 60,
    scheduled=T0,
):
    return (
        f"{name},{cpu},{mem},{gpus},{milli},{spec},{qos},Running,{created},{deleted},{scheduled}\n"
    )


def resources(**units):
    return Resources.from_units(units, space=SPACE)


@pytest.mark.parametrize("zipped", [True, False])
def test_tasks_of_the_trace(tmp_path, zipped):
    pods = pod("p0", cpu=12500, mem=57344, created=T0 + 320, scheduled=T0 + 330, deleted=T0 + 430)
    pods += pod("p1", cpu=500, mem=0, gpus=1, milli=460, qos="BE", deleted=T0 + 9000)
    w = read_openb(write(tmp_path, pods, zipped=zipped), every=1)
    first, second = w.tasks
    assert (first.name, first.arrival, first.duration) == ("p1", 0.0, 3600.0)  # cut at one hour
    assert first.demand == resources(cpus=500, gpus=460)
    assert (second.name, second.arrival, second.duration) == ("p0", 2.0, 100.0)  # 320 s / 160
    assert second.demand == resources(cpus=12500, mem=57344)
    assert (second.demand["cpus"], second.demand["mem"]) == (12.5, 57344)
    assert first.where is None
    assert w.window == (0.0, 2.0)
    assert w.resources == ("cpus", "mem", "gpus")


@pytest.mark.parametrize(
    ("columns", "tenant"),
    [
        ({"qos": "LS"}, "LS-cpu"),
        ({"qos": "BE", "gpus": 1, "milli": 999}, "BE-share"),
        ({"qos": "BE", "gpus": 1, "milli": 1000}, "BE-whole"),
        ({"qos": "LS", "gpus": 2, "milli": 1000}, "LS-multi"),
        ({"qos": "Burstable", "gpus": 2, "milli": 1000}, "BU"),
        ({"qos": "Guaranteed"}, "BU"),
    ],
)
def test_classes_are_the_tenants(tmp_path, columns, tenant):
    w = read_openb(write(tmp_path, pod(**columns)), every=1)
    assert w.tenants == (tenant,)


def test_every_kth_node_in_the_documented_order(tmp_path):
    write(tmp_path, pod())
    # (model, gpu, cpu_milli, memory_mib, sn): n-t0 has fewer cores, n-t1 and n-t2 differ in their
    # id alone
    order = ["n-t0", "n-t1", "n-t2", "n-v"]
    assert [m.name for m in read_openb(tmp_path, every=1).machines] == order
    assert [m.name for m in read_openb(tmp_path, every=2).machines] == ["n-t0", "n-t2"]
    assert [m.name for m in read_openb(tmp_path, every=1, gpu_nodes=False).machines] == [
        "n-cpu",
        *order,
    ]
    machine = read_openb(tmp_path, every=1).machines[0]
    assert machine.capacity == resources(cpus=32000, mem=131072, gpus=2000)
    assert machine.attributes == {"model": "T4"}
    assert read_openb(tmp_path, every=1, gpu_nodes=False).machines[0].attributes == {}


def test_what_is_left_out_is_counted(tmp_path):
    pods = (
        pod("kept")
        + pod("pending", scheduled="")
        + pod("early", created=T0 - 1)
        + pod("stillborn", deleted=T0)
        + pod("nothing", cpu=0, mem=0)
    )
    w = read_openb(write(tmp_path, pods), every=1)
    assert [t.name for t in w.tasks] == ["kept"]
    assert "1 pods kept" in w.notes[1]
    assert (
        "left out: 1 never scheduled, 1 created before day 115, "
        "1 without life, 1 asking for nothing;" in w.notes[1]
    )
    assert len(read_openb(tmp_path, every=1, after_days=114.0).tasks) == 2


def test_the_notes_say_the_settings(tmp_path):
    w = read_openb(write(tmp_path, pod()), every=2, compress=10.0, cut=100.0)
    assert w.notes[0].startswith(
        "openb trace, pod list cpu300: 2 of 4 GPU nodes "
        "(every 2nd: 96 cpus, 262,144 MiB mem, 4 gpus), arrivals compressed 10 times, "
        "durations cut at 100 s;"
    )
    assert "classes" in w.notes[1]
    assert "of one device" in w.notes[1]


def test_allowed_models_are_a_set(tmp_path):
    pods = pod("p0", gpus=1, milli=1000, spec="V100M16|V100M32|V100M32") + pod(
        "p1", gpus=8, milli=1000, spec="T4"
    )
    w = read_openb(write(tmp_path, pods, name="gpuspec33"), pods="gpuspec33", every=1)
    assert w.tasks[0].where == {"model": frozenset({"V100M16", "V100M32"})}
    assert "Fitting none of the machines, so never run: 1." in w.notes[1]  # no T4 node has 8 GPUs


def test_a_missing_folder_or_file(tmp_path):
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        read_openb(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"openb_node_list_all_node.csv: there is no such file"):
        read_openb(tmp_path)
    write(tmp_path, pod())
    with pytest.raises(
        InputError, match=r"openb_pod_list_cpu3.csv: .*there are openb_pod_list_cpu300.csv.gz"
    ):
        read_openb(tmp_path, pods="cpu3")


def test_a_missing_column(tmp_path):
    write(tmp_path, "p0,1\n", header="name,cpu_milli\n")
    with pytest.raises(
        InputError, match="line 1, column memory_mib: is missing from the header"
    ) as caught:
        read_openb(tmp_path)
    assert (caught.value.line, caught.value.column) == (1, "memory_mib")
    write(tmp_path, pod(), nodes="")
    with pytest.raises(
        InputError, match=r"openb_node_list_all_node.csv.gz, line 1, column sn: is missing"
    ):
        read_openb(tmp_path)


@pytest.mark.parametrize(
    ("bad", "column", "value", "message"),
    [
        (pod("p1", cpu="12x"), "cpu_milli", "12x", "is not a whole number"),
        (pod("p1", mem=""), "memory_mib", "", "is not a whole number"),
        (pod("p1", gpus=-1), "num_gpu", "-1", "is not a whole number, 0 or more"),
        (pod("p1", gpus=1, milli=1001), "gpu_milli", "1001", "is above 1000"),
        (pod("p1", cpu=10**17), "cpu_milli", "1" + "0" * 17, "is above"),
        (pod("p1", qos="VIP"), "qos", "VIP", "is not one of BE, Burstable, Guaranteed, LS"),
        (pod("p1", qos=""), "qos", "", "is empty"),
        (pod("p1", created="soon"), "creation_time", "soon", "is not a whole number"),
        (pod("p1", deleted=""), "deletion_time", "", "is not a whole number"),
        (pod("p1", deleted=T0 - 5), "deletion_time", str(T0 - 5), f"is before scheduled_time {T0}"),
        (pod("p0"), "name", "p0", "is there already, in line 2"),
        (pod(""), "name", "", "is empty"),
    ],
)
def test_a_malformed_row_names_its_place(tmp_path, bad, column, value, message):
    write(tmp_path, pod("p0") + bad)
    with pytest.raises(InputError, match=message) as caught:
        read_openb(tmp_path)
    error = caught.value
    assert (error.line, error.column, error.value) == (3, column, value)
    assert str(error).startswith(
        f"{tmp_path / 'openb_pod_list_cpu300.csv.gz'}, line 3, column {column}: {value!r} is "
    )


def test_a_row_of_another_length(tmp_path):
    write(tmp_path, pod("p0") + "p1,1,2\n")
    with pytest.raises(InputError, match="line 3: 'p1,1,2' has 3 fields, the header has 11"):
        read_openb(tmp_path)


def test_a_malformed_node(tmp_path):
    write(tmp_path, pod(), nodes=NODES + "n-x,1,2,some,T4\n")
    with pytest.raises(InputError, match="line 7, column gpu: 'some' is not a whole number"):
        read_openb(tmp_path)


def test_files_that_are_not_what_they_seem(tmp_path):
    write(tmp_path, pod())
    pods = tmp_path / "openb_pod_list_cpu300.csv.gz"
    whole = pods.read_bytes()
    pods.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_openb(tmp_path)
    pods.write_bytes(b"name,cpu_milli\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_openb(tmp_path)
    pods.write_bytes(gzip.compress(b"name,\xff\xfe\n"))
    with pytest.raises(InputError, match="is not CSV text in UTF-8"):
        read_openb(tmp_path)
    pods.write_bytes(gzip.compress(HEADER.encode() + b'"p0"x,1\n'))
    with pytest.raises(InputError, match="is not CSV text in UTF-8"):
        read_openb(tmp_path)


def test_nothing_left(tmp_path):
    write(tmp_path, pod(created=0, scheduled=0))
    with pytest.raises(InputError, match="has no pod left to run"):
        read_openb(tmp_path)
    write(tmp_path, pod(), nodes="sn,cpu_milli,memory_mib,gpu,model\nn-cpu,1,1,0,\n")
    with pytest.raises(InputError, match="has no GPU node"):
        read_openb(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"every": 0},
        {"every": 1.5},
        {"compress": 0.0},
        {"compress": float("nan")},
        {"cut": -1.0},
        {"after_days": -1.0},
    ],
)
def test_settings_out_of_range(tmp_path, settings):
    (name,) = settings
    with pytest.raises(InvalidOption, match=f"{name} is"):
        read_openb(write(tmp_path, pod()), **settings)
