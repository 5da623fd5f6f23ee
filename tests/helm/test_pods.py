"""What holds for everything that runs."""

import itertools
import math
import re
import tomllib

import pytest
import yaml

from conftest import ROOT, SERVICES, containers, is_hook, of_kind, pod_specs, render, settings_in, template, the


def assert_restricted(name, spec):
    assert spec["automountServiceAccountToken"] is False, name
    assert spec["enableServiceLinks"] is False, name
    assert spec["securityContext"]["runAsNonRoot"] is True, name
    assert spec["securityContext"].get("runAsUser") != 0, name
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
    assert all(volume.keys() & {"configMap", "secret", "projected", "downwardAPI"} for volume in spec.get("volumes", [])), name
    for container in containers(spec):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert "memory" in container["resources"]["limits"], name
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name


def test_the_collector_satisfies_the_restricted_standard_too():
    documents = yaml.safe_load_all((ROOT / "k8s" / "otel-collector.yaml").read_text())
    [(name, _, spec)] = pod_specs(documents)
    assert_restricted(name, spec)


def test_every_pod_satisfies_the_restricted_standard(case):
    documents = render(*case)
    for name, _, spec in pod_specs(documents):
        assert_restricted(name, spec)
    for account in of_kind(documents, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_every_image_has_a_version_and_a_service_has_one_image(case):
    images = {}
    for name, metadata, spec in pod_specs(render(*case)):
        for container in containers(spec):
            image = container["image"]
            tag = image.rsplit("/", 1)[-1]
            assert "@sha256:" in image or ":" in tag, image
            assert not image.endswith(":latest"), name
            images.setdefault(metadata["labels"]["app.kubernetes.io/name"], set()).add(image)
    assert all(len(used) == 1 for used in images.values()), images


def test_hooks_need_nothing_that_the_release_brings(case):
    documents = render(*case)
    brought = {
        (document["kind"], document["metadata"]["name"]) for document in documents if not is_hook(document)
    }
    for job in of_kind(documents, "Job"):
        assert is_hook(job)
        spec = job["spec"]["template"]["spec"]
        assert "serviceAccountName" not in spec
        for volume in spec.get("volumes", []):
            kinds = {"Secret": volume.get("secret", {}).get("secretName"), "ConfigMap": volume.get("configMap", {}).get("name")}
            assert not kinds.items() & brought
        for container in containers(spec):
            assert "envFrom" not in container
            for variable in container["env"]:
                if "value" in variable:
                    continue
                reference = variable["valueFrom"]["secretKeyRef"]["name"]
                assert ("Secret", reference) not in brought


def test_migrations_run_once_and_where_they_are_asked_for():
    for mode, jobs, init in [("hook", 1, 0), ("initContainer", 0, 1), ("disabled", 0, 0)]:
        documents = render("registry", "minimal", f'migrations.mode="{mode}"')
        assert len(of_kind(documents, "Job")) == jobs, mode
        pod = the(documents, "Deployment")["spec"]["template"]["spec"]
        assert len(pod.get("initContainers", [])) == init, mode


def secret_of(container):
    [variable] = [each for each in container["env"] if each["name"].endswith("__DATABASE__URL")]
    return variable["valueFrom"]["secretKeyRef"]


def test_the_role_that_changes_the_schema_may_be_another():
    documents = render("registry", "everything")
    [job] = of_kind(documents, "Job")
    [migrating] = job["spec"]["template"]["spec"]["containers"]
    [serving] = the(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert secret_of(migrating) == {"name": "registry-db-owner", "key": "uri"}
    assert secret_of(serving) == {"name": "registry-db", "key": "uri"}
    [job] = of_kind(render("registry"), "Job")
    assert secret_of(job["spec"]["template"]["spec"]["containers"][0]) == {"name": "registry-db", "key": "url"}


def test_probes_ask_the_ops_listener_and_only_readiness_asks_for_the_database(case):
    for deployment in of_kind(render(*case), "Deployment"):
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, path in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]:
            assert container[probe]["httpGet"] == {"path": path, "port": ports["ops"]}


def test_pods_have_the_time_to_stop_that_their_settings_need(case):
    documents = render(*case)
    for deployment in of_kind(documents, "Deployment"):
        shutdown = tomllib.loads(settings_in(documents, deployment["metadata"]["name"]))["shutdown"]
        pod = deployment["spec"]["template"]["spec"]
        sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        work = math.ceil((shutdown["drain_delay_ms"] + max(shutdown["grace_ms"], 2000)) / 1000)
        assert sleep >= 1
        assert pod["terminationGracePeriodSeconds"] == sleep + work + 10


def test_background_work_has_two_seconds_even_without_grace():
    pod = the(render("scoring", "minimal", "settings.shutdown.grace_ms=0"), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 5 + 5 + 2 + 10


def test_a_message_on_its_way_is_not_cut_off():
    answer = template("dunning", "mail", "settings.shutdown.grace_ms=59999")
    assert answer.returncode != 0
    assert "settings.shutdown.grace_ms is 59999, but the mail server is given 60 seconds" in answer.stderr
    render("dunning", "mail", "settings.shutdown.grace_ms=60000")
    # Without a mail server there is none to wait for.
    render("dunning", "minimal", "settings.shutdown.grace_ms=0")


def test_who_connects_to_the_database_trusts_whom_it_is_told_to():
    for documents in (render("registry", "everything"), render("scoring", "initcontainer")):
        pods = {metadata["labels"]["app.kubernetes.io/component"]: spec for _, metadata, spec in pod_specs(documents)}
        connecting = [pods["server"], *([pods["migration"]] if "migration" in pods else [])]
        for spec in connecting:
            [volume] = [each for each in spec["volumes"] if each["name"] == "database"]
            [source] = [volume[kind] for kind in ("secret", "configMap") if kind in volume]
            [item] = source["items"]
            for container in containers(spec):
                [mount] = [each for each in container["volumeMounts"] if each["name"] == "database"]
                variables = {each["name"]: each.get("value") for each in container["env"]}
                assert variables["PGSSLMODE"] == "verify-full"
                assert variables["PGSSLROOTCERT"] == f"{mount['mountPath']}/{item['path']}"
        assert "PGSSL" not in str(pods["test"])
    assert "PGSSL" not in str(render("registry"))
    both = template("registry", "minimal", 'database.caFrom={"existingSecret": "a", "existingConfigMap": "b"}')
    assert "database.caFrom: give one of" in both.stderr


def test_settings_belong_to_the_revision_of_the_pods(case):
    for deployment in of_kind(render(*case), "Deployment"):
        pod = deployment["spec"]["template"]
        [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == "settings"]
        [item] = volume["downwardAPI"]["items"]
        [key] = re.fullmatch(r"metadata\.annotations\['(.+)'\]", item["fieldRef"]["fieldPath"]).groups()
        [container] = pod["spec"]["containers"]
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "settings"]
        assert tomllib.loads(pod["metadata"]["annotations"][key])
        assert container["args"][:2] == ["--config", f"{mount['mountPath']}/{item['path']}"]


def test_a_grace_period_that_is_too_short_is_refused():
    answer = template("dunning", "minimal", "terminationGracePeriodSeconds=30")
    assert answer.returncode != 0
    assert "terminationGracePeriodSeconds is 30" in answer.stderr
    longer = render("dunning", "minimal", "terminationGracePeriodSeconds=300")
    assert the(longer, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 300


def test_rolling_out_takes_no_replica_away(case):
    for deployment in of_kind(render(*case), "Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert deployment["spec"]["minReadySeconds"] > 0


def test_replicas_are_the_autoscalers_where_there_is_one():
    assert the(render("registry"), "Deployment")["spec"]["replicas"] == 2
    documents = render("registry", "everything")
    deployment, autoscaler = the(documents, "Deployment"), the(documents, "HorizontalPodAutoscaler")
    assert "replicas" not in deployment["spec"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["spec"]["minReplicas"] == 3


@pytest.mark.parametrize(
    ("sets", "budget"),
    [
        (["replicas=1"], False),
        (["replicas=2"], True),
        (["replicas=1", 'autoscaling={"enabled": true, "minReplicas": 2}'], True),
        (["replicas=3", 'autoscaling={"enabled": true, "minReplicas": 1}'], False),
    ],
)
def test_a_disruption_budget_never_blocks_the_only_replica(sets, budget):
    found = of_kind(render("registry", "minimal", *sets), "PodDisruptionBudget")
    assert len(found) == budget
    for each in found:
        assert each["spec"]["maxUnavailable"] == 1


def test_replicas_are_spread_revision_by_revision(case):
    for deployment in of_kind(render(*case), "Deployment"):
        constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in constraints} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in constraints:
            assert each["matchLabelKeys"] == ["pod-template-hash"]
            assert each["labelSelector"] == deployment["spec"]["selector"]


def test_pods_change_with_their_settings_and_not_with_the_charts_version():
    first, same, other = (
        the(render("registry", "minimal", *sets), "Deployment")["spec"]["template"]
        for sets in [(), ("replicas=3",), ('settings.log.filter="debug"',)]
    )
    assert first == same
    assert first != other
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & first["metadata"]["labels"].keys()


def test_names_are_not_taken_twice(case):
    names = [(each["kind"], each["metadata"]["name"]) for each in render(*case)]
    assert len(names) == len(set(names))


def test_long_names_fit(case):
    for document in render(*case):
        assert len(document["metadata"]["name"]) <= 63
        for value in document["metadata"].get("labels", {}).values():
            assert len(value) <= 63


def test_selectors_keep_server_migration_and_test_pods_apart():
    documents = render("mahnwerk")
    pods = [(metadata["labels"], name) for name, metadata, _ in pod_specs(documents)]
    selectors = [
        (document["metadata"]["name"], labels)
        for document in documents
        for labels in [
            document["spec"].get("selector", {}).get("matchLabels", document["spec"].get("selector"))
            if document["kind"] in ("Service", "Deployment", "PodDisruptionBudget")
            else None
        ]
        if labels
    ]
    for (name, labels), (pod_labels, pod) in itertools.product(selectors, pods):
        if labels.items() <= pod_labels.items():
            assert name in (pod, f"{pod}-headless"), f"{name} selects {pod}"
    assert len(selectors) == 4 * len(SERVICES)


def test_helm_test_calls_the_service_by_its_own_image():
    documents = render("mahnwerk")
    services = {each["metadata"]["name"]: each for each in of_kind(documents, "Service")}
    for service, port in SERVICES.items():
        [pod] = [each for each in of_kind(documents, "Pod") if each["metadata"]["name"] == f"mahnwerk-{service}-test"]
        [container] = pod["spec"]["containers"]
        assert container["command"] == ["mahnwerk"]
        [address] = [each for each in container["args"] if each.startswith(f"--{service}=")]
        host, at = address.removeprefix(f"--{service}=https://").split(":")
        assert services[host]["spec"]["ports"][0]["port"] == int(at) == port
