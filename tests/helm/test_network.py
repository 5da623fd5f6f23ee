"""Who reaches whom."""

import json
import tomllib

import yaml

from conftest import ROOT, SERVICES, of_kind, render, settings_in, the

UPSTREAMS = {
    "registry": set(),
    "scoring": {"registry"},
    "segmentation": {"registry", "scoring"},
    "dunning": {"registry", "scoring", "segmentation"},
}


def policies(documents):
    return {each["metadata"]["name"]: each["spec"] for each in of_kind(documents, "NetworkPolicy")}


def name_of(peer):
    return peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"].removeprefix("mahnwerk-")


def test_services_and_policies_lead_to_ports_that_containers_have(case):
    documents = render(*case)
    for service in of_kind(documents, "Service"):
        name = service["metadata"]["name"].removesuffix("-headless")
        [deployment] = [each for each in of_kind(documents, "Deployment") if each["metadata"]["name"] == name]
        ports = {
            port["name"]: port["containerPort"]
            for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
        }
        for port in service["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
            has_tls = "tls" in tomllib.loads(settings_in(documents, name))["api"]
            assert port["appProtocol"] == ("https" if has_tls else "kubernetes.io/h2c")
        if policy := policies(documents).get(name):
            allowed = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
            assert allowed <= set(ports.values())
            assert policy["podSelector"] == deployment["spec"]["selector"]


def test_each_service_has_an_address_and_its_replicas_have_theirs(case):
    documents = of_kind(render(*case), "Service")
    headless = {each["metadata"]["name"] for each in documents if each["spec"].get("clusterIP") == "None"}
    single = {each["metadata"]["name"] for each in documents} - headless
    assert headless == {f"{name}-headless" for name in single}


def test_nobody_comes_in_without_being_named(case):
    for policy in policies(render(*case)).values():
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        for rule in policy.get("ingress", []):
            assert rule["from"] and all(rule["from"]), rule
            assert rule["ports"], rule


def test_a_service_lets_its_consumers_in_and_reaches_its_upstreams():
    documents = render("mahnwerk")
    for service, upstreams in UPSTREAMS.items():
        policy = policies(documents)[f"mahnwerk-{service}"]
        consumers = {other for other in SERVICES if service in UPSTREAMS[other]}
        [api, ops] = policy["ingress"]
        assert api["ports"] == [{"port": SERVICES[service]}]
        # The service's own name is that of its test.
        assert {name_of(peer) for peer in api["from"]} == consumers | {service}
        assert ops["ports"] == [{"port": SERVICES[service] + 2000}]
        reached = {
            name_of(rule["to"][0]): rule["ports"]
            for rule in policy["egress"]
            if "app.kubernetes.io/name" in str(rule.get("to"))
        }
        assert reached == {other: [{"port": SERVICES[other]}] for other in upstreams}


def test_peers_of_several_files_add_up_and_can_be_taken_away():
    policy = policies(render("registry", "everything"))["ledger"]
    [api] = policy["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}} in api["from"]
    named = {name_of(peer) for peer in api["from"] if "podSelector" in peer}
    assert named == {"registry", "scoring", "segmentation"}
    database = {"ports": [{"port": 5432}], "to": [{"podSelector": {"matchLabels": {"cnpg.io/cluster": "registry-db"}}}]}
    assert database in policy["egress"]


def ports_out(documents, name):
    return {port["port"] for rule in policies(documents)[name]["egress"] for port in rule["ports"]}


def egress(**rules):
    return f"networkPolicy.egress={json.dumps(rules)}"


def test_only_what_is_configured_to_be_called_has_a_way_out():
    bare = {53, 5432, *(port for service, port in SERVICES.items() if service != "dunning")}
    assert ports_out(render("dunning"), "mahnwerk-dunning") == bare
    assert ports_out(render("dunning", "mail"), "mahnwerk-dunning") == bare | {465}
    told = render("dunning", "minimal", 'telemetry.tracesEndpoint="http://collector:14317"')
    assert ports_out(told, "mahnwerk-dunning") == bare | {14317}
    policy = policies(render("registry", "everything"))["ledger"]
    [otlp] = [rule for rule in policy["egress"] if {"port": 4317} in rule["ports"]]
    assert otlp["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}]
    # Keys of issuers: the API server's, as a Service and behind it, and another's.
    assert ports_out(render("registry", "everything"), "ledger") == {53, 5432, 4317, 443, 6443, 8443}
    api_server = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 6443}]}
    told = render("dunning", "minimal", "access.kubernetesKeys=true", egress(kubernetes=api_server))
    assert ports_out(told, "mahnwerk-dunning") == bare | {6443}


def test_in_production_nothing_leaves_to_anywhere():
    documents = render("mahnwerk", "production")
    ports = {53, 443, 4317, 5432, 6443, *SERVICES.values()}
    for name, policy in policies(documents).items():
        assert all(rule["to"] for rule in policy["egress"]), name
        assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} <= ports | {587}, name
    # The collector of k8s/otel-collector.yaml.
    collector = list(yaml.safe_load_all((ROOT / "k8s" / "otel-collector.yaml").read_text()))
    pods = the(collector, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for service in SERVICES:
        rules = policies(documents)[f"mahnwerk-{service}"]["egress"]
        [to] = [peer for rule in rules if {"port": 4317} in rule["ports"] for peer in rule["to"]]
        assert to["podSelector"]["matchLabels"].items() <= pods.items()


def test_in_production_prometheus_finds_every_monitor_as_it_finds_rules():
    documents = render("mahnwerk", "production")
    files = (ROOT / "k8s" / "cloudnative-pg").glob("*.yaml")
    documents = documents + [each for path in files for each in yaml.safe_load_all(path.read_text())]
    found = of_kind(documents, "PodMonitor") + of_kind(documents, "PrometheusRule")
    assert len(of_kind(documents, "PodMonitor")) == 2 * len(SERVICES)
    assert {each["metadata"]["labels"]["release"] for each in found} == {"prometheus"}


def test_the_migration_reaches_its_database_and_nothing_else():
    policy = policies(render("dunning"))["mahnwerk-dunning-migrate"]
    assert "ingress" not in policy
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5432}


def test_helm_test_reaches_its_service_and_nothing_else():
    documents = render("dunning")
    policy = policies(documents)["mahnwerk-dunning-test"]
    assert "ingress" not in policy
    assert ports_out(documents, "mahnwerk-dunning-test") == {53, 7104}
    assert policy["egress"][-1]["to"] == [{"podSelector": the(documents, "Deployment")["spec"]["selector"]}]


def test_the_monitor_scrapes_the_port_that_the_policy_opens():
    documents = render("mahnwerk", "production")
    monitors = of_kind(documents, "PodMonitor")
    assert len(monitors) == len(SERVICES)
    for monitor in monitors:
        deployment = next(
            each for each in of_kind(documents, "Deployment") if each["spec"]["selector"] == monitor["spec"]["selector"]
        )
        names = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] == "ops" and "ops" in names
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_services_find_each_other_by_the_names_of_the_release():
    documents = render("mahnwerk")
    names = {each["metadata"]["name"] for each in of_kind(documents, "Service")}
    for service, upstreams in UPSTREAMS.items():
        settings = tomllib.loads(settings_in(documents, f"mahnwerk-{service}"))
        urls = {value for key, value in settings.items() if key.endswith("_url")}
        assert len(urls) == len(upstreams)
        for url in urls:
            host, port = url.removeprefix("https://").split(":")
            # All replicas, because clients balance by themselves.
            assert host in names and host.endswith("-headless")
            assert int(port) == SERVICES[host.removeprefix("mahnwerk-").removesuffix("-headless")]


def test_a_release_of_one_service_is_told_where_the_others_are():
    text = settings_in(render("segmentation", "alone"), "mahnwerk-segmentation")
    assert 'registry_url = "https://ledger-headless.receivables.svc:7101"' in text
    assert "compare_every_s = 0" in text
