"""Rules, dashboards and runbooks, against the metrics that the services export."""

import json
import os
import re
import subprocess

import pytest
import yaml

from conftest import NAMESPACE, ROOT, SERVICES, of_kind, render

RULES = sorted((ROOT / "charts" / "mahnwerk" / "files" / "rules").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "charts" / "mahnwerk" / "files" / "dashboards").glob("*.json"))
RUNBOOKS = ROOT / "k8s" / "runbooks"
# Of Prometheus itself.
BUILT_IN = {"up", "ALERTS"}
WORDS = {
    "sum", "max", "min", "avg", "count", "by", "on", "rate", "increase", "or", "and", "unless", "offset", "bool",
    "changes", "histogram_quantile", "avg_over_time", "label_values", "time", "clamp_min",
    "last_over_time", "absent_over_time",
}  # fmt: skip


def listed():
    """The metrics of the one list that the services take their names from, as (kind, name, unit)."""
    metrics = ROOT / "services" / "common" / "runtime" / "src" / "telemetry" / "names" / "metrics.rs"
    line = re.compile(r'^    [A-Z_]+ = (\w+) "([^"]+)", "([^"]*)", \[', re.MULTILINE)
    return line.findall(metrics.read_text())


def exported():
    """In the form that the Prometheus exporter gives them."""
    metrics = set()
    for kind, name, unit in listed():
        name = name.replace(".", "_") + {"s": "_seconds", "1": "_ratio"}.get(unit, "")
        if kind == "Histogram":
            metrics |= {f"{name}_{part}" for part in ("bucket", "count", "sum")}
        else:
            metrics.add(f"{name}_total" if kind == "Counter" else name)
    return metrics


DATABASE_ALERTS = ROOT / "k8s" / "cloudnative-pg" / "alerts.yaml"
# Of CloudNativePG and of its plugin Barman Cloud; the file names the sources.
OPERATORS = {"barman_cloud_cloudnative_pg_io_last_available_backup_timestamp", "cnpg_collector_pg_wal_archive_status"}


def database_groups():
    return yaml.safe_load(DATABASE_ALERTS.read_text())["spec"]["groups"]


def database_alerts():
    return [rule for group in database_groups() for rule in group["rules"]]


def rules():
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}


def alerts():
    return [rule for rule in rules() if "alert" in rule] + database_alerts()


def dashboard_expressions():
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield path.name, target["expr"]
        for variable in dashboard["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]):
                yield path.name, found[1]


def metrics_in(expression):
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)|(?<![\w:])\d+[a-z]*\b", " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - WORDS


def test_the_sources_are_read_as_they_are_meant():
    assert exported() >= {
        "rpc_server_duration_seconds_bucket",
        "rpc_server_active_requests",
        "mahnwerk_ready",
        "feed_consumer_lag_seconds",
        "feed_consumer_batch",
        "feed_consumer_drift_total",
        "feed_writer_oldest_seconds",
        "dunning_runs_progress_ratio",
    }


def test_no_instrument_has_a_name_of_its_own():
    made = re.compile(r'\.(?:u64|i64|f64)_(?:observable_)?(?:counter|gauge|up_down_counter|histogram)\(\s*"')
    sources = (ROOT / "services").rglob("*.rs")
    assert not [str(path) for path in sources if made.search(path.read_text())]


def test_every_metric_that_is_looked_at_is_exported_or_recorded():
    known = exported() | recorded() | BUILT_IN
    looked_at = {("rules", rule["expr"]) for rule in rules()} | set(dashboard_expressions())
    for where, expression in looked_at:
        assert metrics_in(expression) <= known, (where, expression)
    for rule in database_alerts():
        assert metrics_in(rule["expr"]) <= OPERATORS, rule["expr"]


def test_every_recorded_metric_is_looked_at():
    used = set()
    for expression in [rule["expr"] for rule in rules()] + [each for _, each in dashboard_expressions()]:
        used |= metrics_in(expression)
    assert recorded() <= used, recorded() - used


def test_streams_are_those_of_the_protos_and_methods_exist():
    methods, streams = set(), set()
    for path in (ROOT / "proto").rglob("*.proto"):
        for name, signature in re.findall(r"^\s*rpc (\w+)(\(.*)$", path.read_text(), re.MULTILINE):
            methods.add(name)
            if "(stream " in signature:
                streams.add(name)
    text = "".join(path.read_text() for path in [*RULES, *DASHBOARDS])

    def names(pattern):
        return {name for group in re.findall(pattern, text) for name in group.split("|")}

    assert names(r"rpc_method!~\\*\"\.\+/\(([^)]*)\)") == streams
    named = names(r"rpc_method=~\\*\"\.\+/\(?([\w|]+)\)?\\*\"")
    assert named and named <= methods, named - methods


def test_expressions_of_dashboards_are_promql(tmp_path):
    expressions = sorted({expression for _, expression in dashboard_expressions()})
    filled = [re.sub(r"\$__(rate_)?interval", "5m", each) for each in expressions]
    group = {"name": "dashboards", "rules": [{"record": f"x:{at}", "expr": each} for at, each in enumerate(filled)]}
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    promtool("check", "rules", str(file))


def promtool(*arguments):
    answer = subprocess.run([os.environ["MAHNWERK_PROMTOOL"], *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_alerts_of_dunning_say_what_they_should():
    promtool("test", "rules", str(ROOT / "tests" / "helm" / "dunning_rules_test.yaml"))


def test_alerts_on_databases_say_what_they_should(tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": database_groups()}))
    promtool("check", "rules", str(tmp_path / "rules.yaml"))
    test = (ROOT / "tests" / "helm" / "database_rules_test.yaml").read_text()
    (tmp_path / "test.yaml").write_text(f"rule_files: [rules.yaml]\n{test}")
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    links = {alert["annotations"]["runbook_url"] for alert in alerts()}
    assert links == {f"k8s/runbooks/{path.name}" for path in RUNBOOKS.glob("*.md")}
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["summary"]
        text = (ROOT / alert["annotations"]["runbook_url"]).read_text()
        assert alert["alert"] in text.splitlines()[0]


@pytest.fixture(scope="module")
def dashboards():
    """As they are installed: the one of the services once for each."""
    found = [
        json.loads(text)
        for each in of_kind(render("mahnwerk", "monitoring"), "ConfigMap")
        for text in each["data"].values()
    ]
    assert len(found) == 7
    return found


def test_dashboards_are_told_apart(dashboards):
    assert len({each["uid"] for each in dashboards}) == len({each["title"] for each in dashboards}) == 7
    assert not any("SERVICE" in json.dumps(each) for each in dashboards)


def test_panels_have_a_place_of_their_own(dashboards):
    for dashboard in dashboards:
        taken = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, (dashboard["title"], panel["title"])
            taken |= cells
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def installed_rules(case):
    for document in of_kind(render("mahnwerk", case), "PrometheusRule"):
        for group in document["spec"]["groups"]:
            yield from (dict(rule) for rule in group["rules"])


def is_rendered(rule):
    """Once for each service."""
    return "SERVICE" in rule["expr"]


def test_installed_rules_are_the_files_with_links_to_where_runbooks_are():
    shared = [rule for rule in rules() if not is_rendered(rule)]
    installed = list(installed_rules("production"))
    for rule in installed:
        if "alert" in rule:
            link = rule["annotations"]["runbook_url"]
            assert link.startswith("https://")
            rule["annotations"] = rule["annotations"] | {"runbook_url": f"k8s/runbooks/{link.rsplit('/', 1)[1]}"}
    assert [rule for rule in installed if rule.get("alert") != "MahnwerkServiceMissing"] == shared
    linked = list(installed_rules("monitoring"))
    assert len(linked) == len(shared), "no service is installed, and none has to be there"
    for rule in linked:
        if "alert" in rule:
            assert rule["annotations"]["runbook_url"].startswith("https://wiki.example.com/runbooks/")


def test_services_that_have_to_be_there_are_those_that_are_installed_and_scraped():
    def missing(*sets):
        documents = of_kind(render("mahnwerk", "production", *sets), "PrometheusRule")
        rules = [rule for each in documents for group in each["spec"]["groups"] for rule in group["rules"]]
        return [rule["expr"].strip() for rule in rules if rule.get("alert") == "MahnwerkServiceMissing"]

    def expression(service):
        return f'absent_over_time(up{{namespace="{NAMESPACE}", job="mahnwerk-{service}"}}[1d])'

    assert missing() == [expression(service) for service in SERVICES]
    assert missing("scoring.enabled=false", "dunning.podMonitor.enabled=false") == [
        expression("registry"),
        expression("segmentation"),
    ]
