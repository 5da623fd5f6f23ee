"""Renders the charts of a copy of charts/, whose dependencies are built once per run."""

import functools
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "helm"
# What the charts say they run on, and the newest that the schemas know.
OLDEST, NEWEST = "1.30", "1.37"
SERVICES = {"registry": 7101, "scoring": 7102, "segmentation": 7103, "dunning": 7104}
NAMESPACE = "receivables"


def helm(*arguments):
    """Helm's answer, whatever it is."""
    return subprocess.run([os.environ["MAHNWERK_HELM"], *arguments], capture_output=True, text=True, check=False)


@functools.cache
def built():
    """The charts with their dependencies; below target/, so that the work tree stays as it is."""
    copy = ROOT / "target" / "tools" / "charts" / "built"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "charts", copy, ignore=shutil.ignore_patterns("charts", "Chart.lock", "source"))
    # The suite last, because it packs the others.
    for chart in (*SERVICES, "mahnwerk"):
        answer = helm("dependency", "build", "--skip-refresh", str(copy / chart))
        assert answer.returncode == 0, answer.stderr
    return copy


def value_files():
    """Each as (chart, case): values/CHART-CASE.yaml."""
    cases = sorted(path.stem for path in (HERE / "values").glob("*.yaml"))
    return [tuple(case.split("-", 1)) for case in cases]


def case_file(chart, case):
    return HERE / "values" / f"{chart}-{case}.yaml"


@functools.cache
def template(chart, case="minimal", *sets, kubernetes=NEWEST):
    """What `helm template` answers for a file of values and further `--set`s."""
    arguments = ["template", "mahnwerk", str(built() / chart), "--namespace", NAMESPACE]
    arguments += ["--kube-version", f"{kubernetes}.0"]
    # Production means the file that is shipped.
    if (chart, case) == ("mahnwerk", "production"):
        arguments += ["--values", str(ROOT / "k8s" / "values-production.yaml")]
    arguments += ["--values", str(case_file(chart, case))]
    for each in sets:
        arguments += ["--set-json", each]
    return helm(*arguments)


@functools.cache
def render(chart, case="minimal", *sets, kubernetes=NEWEST):
    """The manifests. Cached: leave them as they are."""
    answer = template(chart, case, *sets, kubernetes=kubernetes)
    assert answer.returncode == 0, answer.stderr
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def the(documents, kind):
    """The only one that is not a hook."""
    found = [each for each in of_kind(documents, kind) if not is_hook(each)]
    assert len(found) == 1, [each["metadata"]["name"] for each in found]
    return found[0]


def settings_in(documents, name):
    """The settings file of a service, by the name of its Deployment."""
    [found] = [each for each in of_kind(documents, "Deployment") if each["metadata"]["name"] == name]
    return found["spec"]["template"]["metadata"]["annotations"]["mahnwerk/settings.toml"]


def server_of(deployment):
    """The pod of a Deployment and the container in it."""
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    return pod, container


def is_hook(document):
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def pod_specs(documents):
    """Every pod that comes of the manifests, with the name of what makes it."""
    for document in documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document["metadata"], document["spec"]
        elif document["kind"] in ("Deployment", "Job"):
            pod = document["spec"]["template"]
            yield document["metadata"]["name"], pod["metadata"], pod["spec"]


def programs():
    """Where the services' own programs are, if they have been built."""
    return pathlib.Path(os.environ.get("MAHNWERK_PROGRAMS", ROOT / "target" / "debug"))


needs_programs = pytest.mark.skipif(
    "MAHNWERK_PROGRAMS" not in os.environ and not (programs() / "mahnwerk-dunning").exists(),
    reason="the services are not built",
)


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


@pytest.fixture(params=value_files(), ids="-".join)
def case(request):
    return request.param
