"""What comes out, against the schemas of Kubernetes and what came out before; and the files in k8s/."""

import difflib
import functools
import os
import re
import shutil
import textwrap
import tomllib

import jsonschema
import kubernetes_validate
import pytest
import yaml

from conftest import (
    HERE,
    NAMESPACE,
    NEWEST,
    OLDEST,
    ROOT,
    SERVICES,
    built,
    case_file,
    containers,
    helm,
    is_hook,
    of_kind,
    pod_specs,
    render,
    template,
    value_files,
)

FILES = sorted(path for path in (ROOT / "k8s").rglob("*.yaml") if not path.name.startswith("values-"))


@functools.cache
def custom_schemas():
    return yaml.safe_load((HERE / "custom_schemas.yaml").read_text())


def check(document, kubernetes):
    schema = custom_schemas().get(f"{document['apiVersion']}/{document['kind']}")
    if schema is not None:
        jsonschema.validate(document, schema | {"$defs": custom_schemas()["$defs"]})
    else:
        kubernetes_validate.validate(document, kubernetes, strict=True)


@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_manifests_are_valid_for_the_oldest_and_the_newest_version(case, kubernetes):
    for document in render(*case, kubernetes=kubernetes):
        check(document, kubernetes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_of_the_cluster_are_valid(path):
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    for document in documents:
        for kubernetes in (OLDEST, NEWEST):
            check(document, kubernetes)


def test_charts_programs_and_image_are_of_one_version():
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for path in (ROOT / "charts").glob("*/Chart.yaml"):
        chart = yaml.safe_load(path.read_text())
        assert chart["version"] == chart.get("appVersion", workspace) == workspace, path
        assert all(each["version"] == workspace for each in chart.get("dependencies", []))


def test_the_image_has_the_programs_that_pods_run():
    dockerfile = (ROOT / "Dockerfile").read_text()
    pods = [spec for _, _, spec in pod_specs(render("mahnwerk"))]
    commands = {command for spec in pods for each in containers(spec) for command in each["command"]}
    assert commands == {"mahnwerk", *(f"mahnwerk-{service}" for service in SERVICES)}
    for command in commands:
        assert f"target/release/{command} " in dockerfile and f"--package {command} " in dockerfile, command


def test_an_older_cluster_is_refused():
    answer = template("registry", kubernetes="1.29")
    assert "incompatible with Kubernetes" in answer.stderr


@pytest.mark.parametrize("chart", [*SERVICES, "mahnwerk"])
def test_charts_pass_helms_lint(chart):
    for chart_of_case, case in value_files():
        if chart_of_case == chart:
            values = [case_file(chart, case)]
            if case == "production":
                values.append(ROOT / "k8s" / "values-production.yaml")
            flags = [flag for path in values for flag in ("--values", str(path))]
            answer = helm("lint", "--strict", "--quiet", str(built() / chart), "--namespace", NAMESPACE, *flags)
            assert answer.returncode == 0, answer.stdout + answer.stderr


class Dumper(yaml.SafeDumper):
    """Texts of several lines as they are."""


Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
Dumper.ignore_aliases = lambda *_: True


def in_short(document):
    """Rules and dashboards are files that are tested as such; a table that all services share stands with the first."""
    if document["kind"] == "PrometheusRule":
        return document | {"spec": "files/rules"}
    if document["kind"] == "ConfigMap" and "-dashboard-" in document["metadata"]["name"]:
        return document | {"data": "files/dashboards"}
    if document["metadata"]["name"].endswith("-access") and part_of(document) != "registry":
        return document | {"data": "as the registry's"}
    return document


def part_of(document):
    """The service that a document belongs to; each has a golden file of its own."""
    return document["metadata"]["labels"].get("app.kubernetes.io/name", "suite").removeprefix("mahnwerk-")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_alone_what_it_is_in_the_suite(service):
    in_suite = [each for each in render("mahnwerk") if part_of(each) == service]
    assert sorted(render(service), key=str) == sorted(in_suite, key=str)


def test_what_comes_out_is_what_came_out(case):
    if case[0] in SERVICES and case[1] == "minimal":
        return  # As in the suite.
    parts = {}
    for document in render(*case):
        # Migrations and tests by themselves, so that files stay short.
        name = f"{part_of(document)}-hooks.yaml" if is_hook(document) else f"{part_of(document)}.yaml"
        parts.setdefault(name, []).append(in_short(document))
    rendered = {
        name: yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=120, default_flow_style=None)
        for name, documents in parts.items()
    }
    golden = HERE / "golden" / "-".join(case)
    if os.environ.get("MAHNWERK_UPDATE_GOLDEN"):
        shutil.rmtree(golden, ignore_errors=True)
        golden.mkdir(parents=True)
        for name, text in rendered.items():
            (golden / name).write_text(text)
    before = {path.name: path.read_text() for path in golden.glob("*")}
    difference = "".join(
        line
        for name in sorted(before.keys() | rendered.keys())
        for line in difflib.unified_diff(
            before.get(name, "").splitlines(True), rendered.get(name, "").splitlines(True), f"golden {name}", name
        )
    )
    assert not difference, f"{difference}\nif this is right: tests/charts --update"


def database_of(service):
    cluster, backup, monitor = yaml.safe_load_all((ROOT / "k8s" / "cloudnative-pg" / f"{service}.yaml").read_text())
    name = cluster["metadata"]["name"]
    assert monitor["spec"]["selector"] == {"matchLabels": {"cnpg.io/cluster": name}}
    assert backup["spec"]["cluster"] == {"name": name}
    return cluster


@pytest.mark.parametrize("service", SERVICES)
def test_databases_are_backed_up_each_into_a_folder_of_its_own(service):
    store = yaml.safe_load((ROOT / "k8s" / "cloudnative-pg" / "backup.yaml").read_text())
    [plugin] = database_of(service)["spec"]["plugins"]
    assert plugin["isWALArchiver"]
    folder = database_of(service)["metadata"]["name"]
    assert plugin["parameters"] == {"barmanObjectName": store["metadata"]["name"], "serverName": folder}


def test_a_database_is_restored_as_it_is_written():
    """By the steps of backup.md: a new name throughout, and another `bootstrap`."""
    [block] = re.findall(r"```yaml\n(.*?)```", (ROOT / "k8s" / "backup.md").read_text(), re.DOTALL)
    text = (ROOT / "k8s" / "cloudnative-pg" / "dunning.yaml").read_text()
    cluster, *rest = yaml.safe_load_all(text.replace("dunning-db", "dunning-db-2"))
    before = database_of("dunning")["spec"]
    cluster["spec"] |= yaml.safe_load(textwrap.dedent("   " + block.lstrip(" ")))
    for document in (cluster, *rest):
        check(document, NEWEST)
    [source] = cluster["spec"]["externalClusters"]
    assert source["plugin"]["parameters"] == before["plugins"][0]["parameters"]
    assert cluster["spec"]["plugins"][0]["parameters"]["serverName"] == "dunning-db-2"
    recovery, initdb = cluster["spec"]["bootstrap"]["recovery"], before["bootstrap"]["initdb"]
    assert (recovery["source"], recovery["database"], recovery["owner"]) == (
        source["name"],
        initdb["database"],
        initdb["owner"],
    )


@pytest.mark.parametrize("service", SERVICES)
def test_databases_compare_by_bytes_and_are_those_of_the_production_values(service):
    database = database_of(service)
    name = database["metadata"]["name"]
    initdb = database["spec"]["bootstrap"]["initdb"]
    assert (initdb["localeCollate"], initdb["localeCType"]) == ("C", "C")
    is_synchronous = "synchronous" in database["spec"]["postgresql"]
    assert is_synchronous == (service in ("registry", "dunning"))
    values = yaml.safe_load((ROOT / "k8s" / "values-production.yaml").read_text())[service]
    [role] = database["spec"]["managed"]["roles"]
    assert values["database"]["existingSecret"] == role["passwordSecret"]["name"]
    assert values["migrations"]["existingSecret"] == f"{name}-app"
    assert values["database"]["caFrom"]["existingSecret"] == f"{name}-ca"
    assert values["networkPolicy"]["database"]["to"] == [{"podSelector": {"matchLabels": {"cnpg.io/cluster": name}}}]


def test_the_databases_have_a_connection_for_every_replica_there_can_be():
    documents = render("mahnwerk", "production")
    for service in SERVICES:
        database = database_of(service)
        there_are = int(database["spec"]["postgresql"]["parameters"]["max_connections"])
        name = f"mahnwerk-{service}"
        [deployment] = [each for each in of_kind(documents, "Deployment") if each["metadata"]["name"] == name]
        scalers = [each for each in of_kind(documents, "HorizontalPodAutoscaler") if each["metadata"]["name"] == name]
        most = scalers[0]["spec"]["maxReplicas"] if scalers else deployment["spec"]["replicas"]
        # One more while rolling; the charts' 16 for each.
        assert 16 * (most + 1) <= there_are
