"""What values may be, and what becomes of settings."""

import functools
import json
import subprocess
import tomllib

import pytest
import yaml

from conftest import ROOT, SERVICES, is_hook, needs_programs, of_kind, programs, render, settings_in, template

# One case for every rule of the schemas: what is set, and where the complaint must point to.
WRONG = [
    ("registry", "replicaCount=3", ""),
    ("registry", "replicas=0", "/replicas"),
    ("registry", 'replicas="2"', "/replicas"),
    ("registry", 'image.tag="latest"', "/image/tag"),
    ("registry", 'image.digest="sha256:abc"', "/image/digest"),
    ("registry", 'image.registry="registry.example.com/"', "/image/registry"),
    ("registry", 'image.pullPolicy="Sometimes"', "/image/pullPolicy"),
    ("registry", 'imagePullSecrets=["pull"]', "/imagePullSecrets/0"),
    ("registry", 'database.existingSecret=""', "/database/existingSecret"),
    ("registry", 'database.existingSecret="Not_A_Name"', "/database/existingSecret"),
    ("registry", 'database.url="postgres://u:p@h/d"', "/database"),
    ("registry", 'database.caFrom.secret="x"', "/database/caFrom"),
    ("registry", 'migrations.mode="job"', "/migrations/mode"),
    ("registry", "migrations.activeDeadlineSeconds=0", "/migrations/activeDeadlineSeconds"),
    ("registry", "autoscaling.targetCpuUtilization=101", "/autoscaling/targetCpuUtilization"),
    ("registry", "settings.api.max_message_bytes=1024", "/settings/api/max_message_bytes"),
    ("registry", "settings.api.max_concurrent_requests=0", "/settings/api/max_concurrent_requests"),
    ("registry", 'settings.api.listen="0.0.0.0:1"', "/settings/api"),
    ("registry", 'settings.database.url="sqlite://x"', "/settings/database"),
    ("registry", "settings.database.max_connections=1", "/settings/database/max_connections"),
    ("registry", "settings.database.acquire_timeout_ms=60001", "/settings/database/acquire_timeout_ms"),
    ("registry", 'settings.log.format="xml"', "/settings/log/format"),
    ("registry", "settings.feed.bookmark_ms=0", "/settings/feed/bookmark_ms"),
    ("registry", "settings.shutdown.drain_delay_ms=60001", "/settings/shutdown/drain_delay_ms"),
    ("registry", "settings.shutdown.grace_ms=1.5", "/settings/shutdown/grace_ms"),
    ("registry", "settings.compare_every_s=1", "/settings"),
    ("registry", "settings.migrate_on_start=true", "/settings"),
    ("registry", "settings.api.max_deadline_s=0", "/settings/api/max_deadline_s"),
    ("registry", "settings.api.max_connection_age_s=86401", "/settings/api/max_connection_age_s"),
    ("registry", 'settings.api.access_file="/x"', "/settings/api"),
    ("registry", "settings.peers={}", "/settings"),
    ("registry", 'tls.existingSecret="Not_A_Name"', "/tls/existingSecret"),
    ("registry", 'tls.clientCertificates="sometimes"', "/tls/clientCertificates"),
    ("registry", 'tls.certificate="x"', "/tls"),
    ("registry", "tls.certManager.enabled=true", "/tls/certManager/issuerRef/name"),
    ("registry", 'tls.certManager.duration="90d"', "/tls/certManager/duration"),
    ("registry", 'tls.certManager.issuerRef.kind="issuer"', "/tls/certManager/issuerRef/kind"),
    ("registry", 'tls.certManager.dnsNames=["a b"]', "/tls/certManager/dnsNames/0"),
    ("registry", 'access.key="a/b"', "/access/key"),
    ("registry", "access.table={}", "/access"),
    ("registry", 'access.kubernetesKeys="yes"', "/access/kubernetesKeys"),
    ("registry", 'peers.show="password"', "/peers/show"),
    ("registry", 'peers.tokenAudience=""', "/peers/tokenAudience"),
    ("registry", "peers.tokenExpirationSeconds=599", "/peers/tokenExpirationSeconds"),
    ("registry", 'peers.caFrom.secret="x"', "/peers/caFrom"),
    ("registry", "unprotected=1", "/unprotected"),
    ("registry", "global.unprotected=1", "/global/unprotected"),
    ("registry", "global.podMonitor.labels.release=1", "/global/podMonitor/labels/release"),
    ("registry", 'global.tls.clientCertificates="sometimes"', "/global/tls/clientCertificates"),
    ("registry", 'global.access.callers=[{"name": "a"}]', "/global/access/callers/0"),
    ("registry", 'listenAddress="127.0.0.1"', "/listenAddress"),
    ("registry", "preStopSeconds=0", "/preStopSeconds"),
    ("registry", 'telemetry.tracesEndpoint="collector:4317"', "/telemetry/tracesEndpoint"),
    ("registry", 'podMonitor.interval="often"', "/podMonitor/interval"),
    ("registry", "networkPolicy.allowExternal=true", "/networkPolicy"),
    ("registry", "networkPolicy.clients.anybody={}", "/networkPolicy/clients/anybody"),
    ("registry", 'networkPolicy.clients.shop.cidr="10.0.0.0/8"', "/networkPolicy/clients/shop"),
    ("registry", "networkPolicy.database.port=0", "/networkPolicy/database/port"),
    ("registry", "podSecurity.runAsUser=0", "/podSecurity/runAsUser"),
    ("registry", "podSecurity.privileged=true", "/podSecurity"),
    ("registry", "podLabels.count=1", "/podLabels/count"),
    ("registry", "resources.memory=1", "/resources"),
    ("registry", 'topologySpread.zones="Never"', "/topologySpread/zones"),
    ("registry", 'global.telemetry.endpoint="x"', "/global/telemetry"),
    ("registry", 'telemetry.metricsEndpoint="https://collector:4317"', "/telemetry/metricsEndpoint"),
    ("scoring", 'settings.registry_url="registry:7101"', "/settings/registry_url"),
    ("scoring", 'settings.scoring_url="http://x:1"', "/settings"),
    ("scoring", "settings.compare_every_s=-1", "/settings/compare_every_s"),
    ("scoring", "settings.dispatch.lease_s=60", "/settings"),
    ("dunning", "settings.dispatch.lease_s=29", "/settings/dispatch/lease_s"),
    ("dunning", 'settings.dispatch.maildir="/tmp"', "/settings/dispatch"),
    ("dunning", 'settings.dispatch.guard.allow=["example.com"]', "/settings/dispatch/guard/allow/0"),
    ("dunning", 'settings.dispatch.smtp.tls="maybe"', "/settings/dispatch/smtp/tls"),
    ("dunning", 'settings.dispatch.smtp.password="x"', "/settings/dispatch/smtp"),
    ("dunning", "settings.dispatch.smtp.connections=65", "/settings/dispatch/smtp/connections"),
    ("scoring", 'settings.registry_url="ftp://registry:7101"', "/settings/registry_url"),
    ("mahnwerk", "registries={}", ""),
    ("mahnwerk", 'global.tls.certManager={"enabled": true, "issuerRef": {}}', "/global/tls/certManager/issuerRef/name"),
    ("mahnwerk", "global.access.callers=[{}]", "/global/access/callers/0"),
    ("mahnwerk", 'prometheusRule.runbookUrl="wiki"', "/prometheusRule/runbookUrl"),
    ("mahnwerk", "dashboards.labels.grafana=1", "/dashboards/labels/grafana"),
    ("mahnwerk", 'global.image.tag="latest"', "/global/image/tag"),
    ("mahnwerk", "scoring.replicas=0", "/replicas"),
]


def path_of(wrong):
    return wrong.split("=", 1)[0].split(".")


@functools.cache
def complaints(chart, wrong):
    """What Helm says of a wrong value. It names all that is wrong at once, so cases that do not touch share a call."""
    rounds = []
    for case in (case for name, case, _ in WRONG if name == chart):
        path = path_of(case)
        for group in rounds:
            if not any(path[: len(other)] == other or other[: len(path)] == path for other in map(path_of, group)):
                group.append(case)
                break
        else:
            rounds.append([case])
    [group] = [group for group in rounds if wrong in group]
    answer = template(chart, "minimal", *group)
    assert answer.returncode != 0
    assert "values don't meet the specifications of the schema" in answer.stderr
    return answer.stderr.splitlines()


@pytest.mark.parametrize(("chart", "wrong", "where"), WRONG, ids=[f"{chart}-{wrong}" for chart, wrong, _ in WRONG])
def test_wrong_values_are_refused_where_they_are_wrong(chart, wrong, where):
    found = [line for line in complaints(chart, wrong) if f"at '{where}':" in line]
    assert found, complaints(chart, wrong)
    unknown = [line for line in found if "additional properties" in line]
    if unknown:
        assert any(f"'{name}'" in line for name in path_of(wrong) for line in unknown), unknown


def test_a_database_is_required():
    for chart in SERVICES:
        values = yaml.safe_load((ROOT / "charts" / chart / "values.yaml").read_text())
        assert values["database"]["existingSecret"] == ""
        assert template(chart, "minimal", 'database={"existingSecret": ""}').returncode != 0


def test_more_replicas_at_least_than_at_most_are_refused():
    answer = template("registry", "minimal", 'autoscaling={"enabled": true, "minReplicas": 7}')
    assert "maxReplicas is below minReplicas" in answer.stderr


def leaves(schema, definitions, path=()):
    """The names of all values that a schema knows."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    if "properties" not in schema:
        yield path
    for name, part in schema.get("properties", {}).items():
        yield from leaves(part, definitions, (*path, name))


@pytest.mark.parametrize("chart", [*SERVICES, "mahnwerk"])
def test_what_the_schema_knows_stands_in_the_values(chart):
    folder = ROOT / "charts" / chart
    schema = json.loads((folder / "values.schema.json").read_text())
    values = yaml.safe_load((folder / "values.yaml").read_text())
    # Set by the chart above, or chosen freely.
    optional = {"enabled", "global", "common"} if chart in SERVICES else set()
    free = {"peer", "requests", "limits", "egress", "dns"}
    for path in leaves(schema, schema["definitions"]):
        if path[0] in optional or free & set(path):
            continue
        found = values
        for name in path:
            assert name in found, ".".join(path)
            found = found[name]


def settings_of(documents):
    """For every service its settings file and its environment."""
    for deployment in of_kind(documents, "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        yield container["name"], settings_in(documents, deployment["metadata"]["name"]), container["env"]


def test_settings_arrive_as_they_were_written():
    settings = tomllib.loads(settings_in(render("registry", "everything"), "ledger"))
    own = settings["api"].pop("tls"), settings["api"].pop("access_file")
    assert all(own), "looked at in test_access.py"
    assert settings == {
        "api": {
            "listen": "[::]:7101",
            "max_concurrent_requests": 1024,
            "max_connection_age_s": 300,
            "max_deadline_s": 600,
            "max_message_bytes": 4194304,
            "reflection": False,
        },
        "database": {"acquire_timeout_ms": 2000, "max_connections": 16},
        "feed": {"bookmark_ms": 100},
        "log": {"filter": "info,mahnwerk_feed=debug", "format": "json"},
        "ops": {"listen": "[::]:9101"},
        "shutdown": {"drain_delay_ms": 10000, "grace_ms": 60500},
    }


def test_nothing_leaves_by_default():
    [(_, text, environment)] = settings_of(render("dunning"))
    dispatch = tomllib.loads(text)["dispatch"]
    smtp = {"port": 587, "tls": "starttls", "timeout_seconds": 60, "connections": 8}
    assert dispatch == {"lease_s": 360, "guard": {"allow": []}, "smtp": smtp}, "no host"
    assert not [each for each in environment if "SMTP" in each["name"]]


def test_who_logs_in_at_the_mail_server_is_secret_and_the_rest_is_not():
    [(_, text, environment)] = settings_of(render("dunning", "mail"))
    dispatch = tomllib.loads(text)["dispatch"]
    assert dispatch["guard"] == {"allow": ["@example.com", "ann@example.org"], "redirect_to": "trial@example.com"}
    assert dispatch["smtp"] == {
        "host": "mail.example.com",
        "port": 465,
        "tls": "tls",
        "ca_file": "/etc/roots/ca.pem",
        "timeout_seconds": 60,
        "connections": 8,
        "hello_name": "dunning.example.com",
    }
    prefix = "DUNNING__DISPATCH__SMTP__"
    secret = {each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in environment if prefix in each["name"]}
    assert secret == {f"{prefix}USER": "mail", f"{prefix}PASSWORD": "mail"}


def test_secrets_are_only_referred_to(case):
    documents = render(*case)
    assert not of_kind(documents, "Secret")
    for _, text, environment in settings_of(documents):
        assert "postgres:" not in text and "password" not in text
        for each in environment:
            if each["name"].endswith(("__URL", "__PASSWORD")):
                assert "secretKeyRef" in each["valueFrom"]


def test_without_an_endpoint_nothing_is_sent(case):
    for service, _, environment in settings_of(render(*case)):
        endpoints = {each["value"] for each in environment if "OTLP" in each["name"]}
        assert all(endpoint.startswith("http://") for endpoint in endpoints), service
        assert bool(endpoints) == (case[1] in ("everything", "production"))


def test_telemetry_goes_where_the_service_or_the_suite_says():
    def endpoint(*sets):
        documents = render("mahnwerk", "minimal", *sets)
        return {
            service: next((each["value"] for each in environment if each["name"].endswith("TRACES_ENDPOINT")), None)
            for service, _, environment in settings_of(documents)
        }

    assert set(endpoint().values()) == {None}
    told = endpoint(
        'global.telemetry.tracesEndpoint="http://all:4317"',
        'scoring.telemetry.tracesEndpoint="http://own:4317"',
    )
    assert told == dict.fromkeys(SERVICES, "http://all:4317") | {"scoring": "http://own:4317"}


@needs_programs
def test_the_services_take_the_settings_that_the_charts_write(case, tmp_path):
    documents = render(*case)
    for service, text, environment in settings_of(documents):
        file = tmp_path / f"{service}.toml"
        # Without a file that only a cluster has.
        file.write_text(text.replace('ca_file = "/etc/roots/ca.pem"', ""))
        variables = {each["name"]: each.get("value", f"secret-{each['name']}") for each in environment}
        variables[f"{service.upper()}__DATABASE__URL"] = "postgres://user:word@host/database"
        command = [programs() / f"mahnwerk-{service}", "--config", file, "check-config"]
        answer = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        effective = tomllib.loads(answer.stdout)
        given = tomllib.loads(text)
        assert effective["shutdown"] == given["shutdown"]
        assert effective["ops"] == given["ops"]
        assert effective["api"].items() >= {key: given["api"][key] for key in given["api"] if key != "tls"}.items()
        assert effective["api"]["tls"].items() >= given["api"].get("tls", {}).items()
        assert effective.get("peers", {}).items() >= given.get("peers", {}).items()
        if "DUNNING__DISPATCH__SMTP__HOST" in variables:
            assert effective["dispatch"]["smtp"]["host"] == variables["DUNNING__DISPATCH__SMTP__HOST"]


def test_policies_come_before_the_pods_that_need_them():
    weights = {}
    for each in render("registry"):
        if is_hook(each):
            annotations = each["metadata"]["annotations"]
            weight = int(annotations.get("helm.sh/hook-weight", 0))
            weights[annotations["helm.sh/hook"], each["kind"]] = weight
    assert weights["pre-install,pre-upgrade", "NetworkPolicy"] < weights["pre-install,pre-upgrade", "Job"]
    assert weights["test", "NetworkPolicy"] < weights["test", "Pod"]
