"""TLS, who may call, and what services show to each other."""

import functools
import json
import re
import signal
import subprocess
import time
import tomllib

import pytest
import yaml

from conftest import (
    NAMESPACE,
    ROOT,
    SERVICES,
    built,
    case_file,
    helm,
    needs_programs,
    of_kind,
    pod_specs,
    programs,
    render,
    server_of,
    settings_in,
    template,
    the,
)

SECRETS = "/var/run/secrets/mahnwerk"
ISSUER = {
    "name": "cluster",
    "issuer": "https://kubernetes.default.svc.cluster.local",
    "audiences": ["mahnwerk"],
    "jwks_file": "/keys.json",
}
CALLER = {
    "name": "checkout",
    "issuer": "cluster",
    "subject": "system:serviceaccount:shop:checkout",
    "scopes": ["scoring.*.read"],
    "creditors": ["acme"],
}
NO_TLS = 'tls.existingSecret=""'
NO_TABLE = 'access.existingConfigMap=""'


def access(issuers=(ISSUER,), callers=(CALLER,), **more):
    return f"access={json.dumps({'existingConfigMap': '', 'issuers': issuers, 'callers': callers} | more)}"


def complaint(*sets, chart="scoring", case="minimal"):
    answer = template(chart, case, *sets)
    assert answer.returncode != 0
    return answer.stderr


def test_a_service_is_not_rendered_open_to_everybody():
    for chart in SERVICES:
        assert "needs TLS (tls.existingSecret or tls.certManager)" in complaint(NO_TLS, chart=chart)
        assert "needs a table of callers (access.existingConfigMap" in complaint(NO_TABLE, chart=chart)
        assert "access.callers) . For" not in complaint(NO_TLS, NO_TABLE, chart=chart)
    both = complaint(NO_TLS, NO_TABLE)
    assert "TLS (tls.existingSecret or tls.certManager) and a table of callers" in both
    assert "For development only, `unprotected: true` does without" in both
    answer = template("mahnwerk", "minimal", 'global.access.existingConfigMap=""')
    assert answer.returncode != 0 and "a table of callers" in answer.stderr


def test_unprotected_is_said_aloud_and_shows_no_token_to_anybody(case):
    documents = render(*case)
    for deployment in of_kind(documents, "Deployment"):
        settings = tomllib.loads(settings_in(documents, deployment["metadata"]["name"]))
        is_open = settings["api"].get("unprotected", False)
        assert is_open == (case == ("dunning", "mail"))
        if is_open:
            assert "peers" not in settings and not settings["api"].get("tls")
            pod, _ = server_of(deployment)
            assert [volume["name"] for volume in pod["volumes"]] == ["settings"]
            assert settings["registry_url"].startswith("http://")
        else:
            assert settings["api"]["tls"].keys() >= {"certificate_file", "key_file"}
            assert settings["api"]["access_file"]


@pytest.mark.parametrize(
    ("chart", "switch", "names"),
    [
        ("scoring", "unprotected=true", "scoring is"),
        ("mahnwerk", "dunning.unprotected=true", "dunning is"),
        ("mahnwerk", "global.unprotected=true", "dunning, registry, scoring, segmentation are"),
    ],
)
def test_the_notes_warn_of_what_is_unprotected(chart, switch, names):
    def notes(*sets):
        arguments = ["install", "mahnwerk", str(built() / chart), "--namespace", NAMESPACE, "--dry-run=client"]
        answer = helm(*arguments, "--values", str(case_file(chart, "minimal")), *sets)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.split("NOTES:")[1]

    assert "WARNING" not in notes()
    assert f"WARNING: {names} unprotected" in notes("--set-json", switch)


# What no schema can say, and what is said instead.
REFUSED = [
    ([access(existingConfigMap="callers")], "access: give one of"),
    (['access.existingSecret="callers"'], "access: give one of"),
    ([access(callers=[])], "nobody could call"),
    ([access(issuers=[ISSUER, ISSUER])], "cluster is there twice"),
    ([access(callers=[CALLER, CALLER])], "checkout is there twice"),
    ([access(issuers=[])], "checkout has the issuer cluster, which access.issuers does not have"),
    (
        [access(issuers=[ISSUER | {"jwks_ca_file": f"{SECRETS}/kubernetes/ca.crt"}])],
        "only access.kubernetesKeys mounts",
    ),
    (['tls.certManager={"enabled": true, "issuerRef": {"name": "ca"}}'], "tls: give one of"),
    (['tls.clientCertificates="required"'], "peers.show must be `certificate` or `both`"),
    (['peers.show="both"'], "nobody looks at certificates"),
    (['peers.caFrom={"existingSecret": "a", "existingConfigMap": "b"}'], "peers.caFrom: give one of"),
    (['settings.registry_url="http://registry:7101"'], "settings.registry_url is http://registry:7101"),
    ([NO_TLS, 'tls.clientCertificates="optional"', "unprotected=true"], "there is no TLS"),
]


@pytest.mark.parametrize(("sets", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_could_not_run_is_refused(sets, said):
    assert said in complaint(*sets)


# What the schema refuses in a table: a change to something good, and the field that the complaint must point to.
WRONG_ISSUERS = [
    ({"name": "local"}, "/name"),
    ({"name": "a b"}, "/name"),
    ({"issuer": ""}, "/issuer"),
    ({"audiences": []}, "/audiences"),
    ({"jwks_url": "https://keys.example.com"}, ""),
    ({"jwks_file": None, "jwks_url": "http://keys.example.com"}, "/jwks_url"),
    ({"algorithms": ["HS256"]}, "/algorithms/0"),
    ({"algorithms": []}, "/algorithms"),
    ({"clock_skew_s": 301}, "/clock_skew_s"),
    ({"scopes_claim": "scope"}, ""),
    ({"limits": {"per_second": 1}}, "/limits"),
    ({"jwks_flie": "/keys.json"}, ""),
]
WRONG_CALLERS = [
    ({"name": "unknown"}, "/name"),
    ({"name": "a" * 65}, "/name"),
    ({"scopes": ["everything"]}, "/scopes/0"),
    ({"scopes": ["scoring.Score.read"]}, "/scopes/0"),
    ({"scopes": ["scoring.sc*.read"]}, "/scopes/0"),
    ({"scopes": ["scoring.score.read.more"]}, "/scopes/0"),
    ({"scopes": None}, ""),
    ({"creditors": []}, "/creditors"),
    ({"creditors": ["a b"]}, "/creditors/0"),
    ({"subject": None}, ""),
    ({"issuer": None, "subject": None}, ""),
    ({"limits": {"concurrent": -1}}, "/limits/concurrent"),
]


def changed(good, change):
    return {key: value for key, value in (good | change).items() if value is not None}


@functools.cache
def complaints_about_tables():
    """Helm names all that is wrong at once."""
    issuers = [changed(ISSUER, change) for change, _ in WRONG_ISSUERS]
    callers = [changed(CALLER, change) for change, _ in WRONG_CALLERS]
    return complaint(access(issuers, callers))


@pytest.mark.parametrize(
    "where",
    [f"/access/issuers/{index}{field}" for index, (_, field) in enumerate(WRONG_ISSUERS)]
    + [f"/access/callers/{index}{field}" for index, (_, field) in enumerate(WRONG_CALLERS)],
)
def test_wrong_tables_are_refused_where_they_are_wrong(where):
    assert f"at '{where}':" in complaints_about_tables()


def test_the_schema_takes_what_the_services_take():
    caller = CALLER | {"name": "a-b_c.d~1", "scopes": ["*", "*.*.*", "a.*.b"], "creditors": ["*"], "certificate": "a.b"}
    issuer = ISSUER | {"scopes_claim": "scope", "creditors_claim": "creditors", "algorithms": ["EdDSA", "PS512"]}
    by_certificate = {"name": "b", "certificate": "spiffe://example.com/b", "scopes": [], "creditors": ["a"]}
    render("scoring", "minimal", access([issuer], [caller, by_certificate]))
    # Nobody by name, but whoever the issuer vouches for.
    render("scoring", "minimal", access([issuer], []))


def table_in(documents, name):
    [found] = [each for each in of_kind(documents, "ConfigMap") if each["metadata"]["name"] == f"{name}-access"]
    return tomllib.loads(found["data"]["access.toml"])


def test_a_table_arrives_as_it_was_written():
    given = yaml.safe_load(case_file("registry", "everything").read_text())["access"]
    found = table_in(render("registry", "everything"), "ledger")
    assert found["issuers"] == given["issuers"]
    assert found["callers"][0].pop("subject") == f"system:serviceaccount:{NAMESPACE}:scoring"
    given["callers"][0].pop("subject")
    assert found["callers"] == given["callers"]
    # Not changed by what is written into it.
    strange = CALLER | {"subject": 'a "b" \\ <c> \n é'}
    [caller] = table_in(render("scoring", "minimal", access(callers=[strange])), "mahnwerk-scoring")["callers"]
    assert caller == strange


def scopes_of_methods():
    for path in (ROOT / "proto").rglob("*.proto"):
        yield from re.findall(r'scope: "([a-z.]+)"', path.read_text())


def test_in_production_services_may_do_what_they_have_to_and_nobody_what_nobody_can():
    documents = render("mahnwerk", "production")
    tables = [table_in(documents, f"mahnwerk-{service}") for service in SERVICES]
    assert all(each == tables[0] for each in tables)
    callers = {each["name"]: each for each in tables[0]["callers"]}
    reading = {"feed.change.read", "feed.status.read"}
    writing = {"registry.timeline.write", "registry.contact.write", "registry.credithold.write"}
    wanted = {"registry": reading - {"feed.change.read"}, "scoring": reading, "segmentation": reading}
    for service, scopes in (wanted | {"dunning": reading | writing}).items():
        assert set(callers[service]["scopes"]) == scopes
        assert callers[service]["creditors"] == ["*"]
    accounts = {each["metadata"]["name"] for each in of_kind(documents, "ServiceAccount")}
    own = {f"system:serviceaccount:{NAMESPACE}:{name}" for name in accounts}
    assert {callers[service]["subject"] for service in SERVICES} == own
    there_are = set(scopes_of_methods())
    for scope in {scope for each in callers.values() for scope in each["scopes"]}:
        pattern = re.escape(scope).replace(r"\*", "[a-z]+")
        assert any(re.fullmatch(pattern, each) for each in there_are), scope
    [issuer] = tables[0]["issuers"]
    for _, _, spec in pod_specs(documents):
        tokens = dict(tokens_in(spec))
        assert tokens.get("token", {}).get("audience", "mahnwerk") in issuer["audiences"]


def test_people_have_the_accounts_that_the_table_names():
    documents = list(yaml.safe_load_all((ROOT / "k8s" / "operators.yaml").read_text()))
    table = table_in(render("mahnwerk", "production"), "mahnwerk-registry")
    subjects = {each["subject"] for each in table["callers"] if each["name"] in ("oncall", "credit-management")}
    accounts = [each["metadata"] for each in of_kind(documents, "ServiceAccount")]
    assert {f"system:serviceaccount:{each['namespace']}:{each['name']}" for each in accounts} == subjects
    # Whoever makes tokens of theirs cannot make any of the services.
    roles = [each for each in of_kind(documents, "Role") if "serviceaccounts/token" in str(each)]
    assert {each["metadata"]["namespace"] for each in roles} == {"mahnwerk-operators"}
    [audience] = re.findall("--audience (\\S+)", (ROOT / "k8s" / "operating.md").read_text())
    assert audience in table["issuers"][0]["audiences"]


def tokens_in(spec):
    """Projected tokens, by the name of their volume."""
    for volume in spec.get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                yield volume["name"], source["serviceAccountToken"]


def test_only_who_calls_others_has_a_token():
    documents = render("mahnwerk")
    for deployment in of_kind(documents, "Deployment"):
        pod, _ = server_of(deployment)
        is_registry = deployment["metadata"]["name"] == "mahnwerk-registry"
        token = {"path": "token", "audience": "mahnwerk", "expirationSeconds": 3600}
        assert dict(tokens_in(pod)) == ({} if is_registry else {"token": token})
    pod, _ = server_of(the(render("segmentation", "alone"), "Deployment"))
    token = {"path": "token", "audience": "receivables", "expirationSeconds": 600}
    assert dict(tokens_in(pod)) == {"token": token}
    pod, _ = server_of(the(render("scoring", "initcontainer"), "Deployment"))
    assert not dict(tokens_in(pod))


def test_keys_of_the_cluster_need_what_the_api_server_wants_to_see():
    for service in SERVICES:
        documents = render(service, "minimal", "access.kubernetesKeys=true")
        pod, container = server_of(the(documents, "Deployment"))
        [volume] = [each for each in pod["volumes"] if each["name"] == "kubernetes"]
        roots, token = volume["projected"]["sources"]
        assert roots == {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
        # Without an audience it is meant for the API server.
        assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
        assert {"name": "kubernetes", "mountPath": f"{SECRETS}/kubernetes", "readOnly": True} in container["volumeMounts"]
    shared = render("mahnwerk", "minimal", "global.access.kubernetesKeys=true")
    assert all("kubernetes" in dict(tokens_in(server_of(each)[0])) for each in of_kind(shared, "Deployment"))


def files_in(settings):
    """The files below SECRETS that settings name."""
    for value in settings.values():
        if isinstance(value, dict):
            yield from files_in(value)
        elif isinstance(value, str) and value.startswith(SECRETS):
            yield value


def test_files_of_settings_are_in_directories_that_are_mounted(case):
    documents = render(*case)
    for deployment in of_kind(documents, "Deployment"):
        pod, container = server_of(deployment)
        settings = tomllib.loads(settings_in(documents, deployment["metadata"]["name"]))
        assert set(files_in(settings)) or settings["api"]["unprotected"]
        check_mounts(pod, container, files_in(settings))
    for name, metadata, spec in pod_specs(documents):
        if metadata["labels"]["app.kubernetes.io/component"] == "test":
            [container] = spec["containers"]
            files = {each.split("=", 1)[1] for each in container["args"] if SECRETS in each}
            check_mounts(spec, container, files)
            assert bool(files) == (case != ("dunning", "mail"))
            assert ("serviceAccountName" in spec) == bool(dict(tokens_in(spec))), name


def check_mounts(pod, container, files):
    mounts = {each["mountPath"]: each for each in container.get("volumeMounts", [])}
    volumes = {each["name"] for each in pod.get("volumes", [])}
    assert {each["name"] for each in mounts.values()} == volumes
    for file in files:
        assert file.rsplit("/", 1)[0] in mounts, file
    for mount in mounts.values():
        # A single file would never change.
        assert "subPath" not in mount
        assert mount.get("readOnly") or mount["name"] == "roots"


def test_changed_secrets_and_tables_restart_nobody():
    template_of = [
        the(render("scoring", "minimal", access(callers=callers)), "Deployment")["spec"]["template"]
        for callers in ([CALLER], [CALLER, CALLER | {"name": "other", "subject": "other"}])
    ]
    assert template_of[0] == template_of[1]


def test_a_test_has_the_key_of_a_certificate_only_to_show_it():
    def volume(chart, case):
        [spec] = [spec for name, _, spec in pod_specs(render(chart, case)) if name.endswith("-test")]
        return next((each["secret"] for each in spec["volumes"] if each["name"] == "tls"), None)

    assert volume("scoring", "minimal")["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert "items" not in volume("scoring", "initcontainer")
    assert volume("segmentation", "alone") is None


def test_certificates_name_what_callers_ask_for():
    documents = render("mahnwerk", "production")
    certificates = {each["metadata"]["name"]: each["spec"] for each in of_kind(documents, "Certificate")}
    assert certificates.keys() == {f"mahnwerk-{service}" for service in SERVICES}
    for name, spec in certificates.items():
        names = {f"{service}{rest}" for service in (name, f"{name}-headless") for rest in endings()}
        assert set(spec["dnsNames"]) == names | {"localhost"}
        assert spec["issuerRef"] == {"name": "mahnwerk-ca", "kind": "Issuer", "group": "cert-manager.io"}
        [deployment] = [each for each in of_kind(documents, "Deployment") if each["metadata"]["name"] == name]
        [volume] = [each for each in server_of(deployment)[0]["volumes"] if each["name"] == "tls"]
        assert volume["secret"]["secretName"] == spec["secretName"]
        settings = tomllib.loads(settings_in(documents, name))
        for url in (value for key, value in settings.items() if key.endswith("_url")):
            host = url.removeprefix("https://").split(":")[0]
            assert host in certificates[host.removesuffix("-headless")]["dnsNames"]
    own = the(render("registry", "everything"), "Certificate")["spec"]
    assert own["duration"] == "720h" and "ledger.example.com" in own["dnsNames"]
    assert own["issuerRef"]["kind"] == "ClusterIssuer"
    assert not of_kind(render("mahnwerk"), "Certificate")


def endings():
    return ["", f".{NAMESPACE}", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local"]


def test_a_service_with_a_source_of_its_own_takes_nothing_of_the_shared_one():
    documents = render("mahnwerk", "production", 'scoring.tls.existingSecret="own"', 'scoring.access={"existingSecret": "own"}')
    assert "mahnwerk-scoring" not in {each["metadata"]["name"] for each in of_kind(documents, "Certificate")}
    [deployment] = [each for each in of_kind(documents, "Deployment") if each["metadata"]["name"] == "mahnwerk-scoring"]
    secrets = {each["name"]: each.get("secret") for each in server_of(deployment)[0]["volumes"]}
    assert secrets["tls"] == secrets["access"] == {"secretName": "own"}
    assert not [each for each in of_kind(documents, "ConfigMap") if each["metadata"]["name"] == "mahnwerk-scoring-access"]


def test_clients_are_asked_for_certificates_as_they_are_told_to():
    for chart, case, asked in [
        ("registry", "minimal", (False, False)),
        ("registry", "everything", (True, False)),
        ("scoring", "initcontainer", (True, True)),
    ]:
        documents = render(chart, case)
        name = the(documents, "Deployment")["metadata"]["name"]
        tls = tomllib.loads(settings_in(documents, name))["api"]["tls"]
        assert ("client_ca_file" in tls, tls.get("client_certificate_required", False)) == asked


@needs_programs
@pytest.mark.parametrize(
    ("chart", "case", "name"), [("registry", "everything", "ledger"), ("mahnwerk", "production", "mahnwerk-registry")]
)
def test_the_services_take_the_tables_that_the_charts_write(chart, case, name, tmp_path):
    [found] = [
        each for each in of_kind(render(chart, case), "ConfigMap") if each["metadata"]["name"] == f"{name}-access"
    ]
    table = found["data"]["access.toml"]
    assert '"listening"' in starting(tmp_path, table)
    # The program does look at it.
    assert "callers[0].scopes" in starting(tmp_path, table.replace('"feed.', '"feed!'))


def starting(folder, table):
    """What the registry says when it starts with a table; the keys of its issuers are fetched later."""
    (folder / "access.toml").write_text(table)
    command = [programs() / "mahnwerk-registry"]
    for setting in [
        "api.listen=127.0.0.1:0",
        "ops.listen=127.0.0.1:0",
        f"api.access_file={folder}/access.toml",
        f"database.url=sqlite://{folder}/registry.db?mode=rwc",
        "migrate_on_start=true",
    ]:
        command += ["--set", setting]
    said = folder / "log"
    with said.open("w") as log, subprocess.Popen([*command, "serve"], stdout=log, stderr=log, env={}) as program:
        deadline = time.monotonic() + 60
        while program.poll() is None and "listening" not in said.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        if program.poll() is None:
            program.send_signal(signal.SIGTERM)
    return said.read_text()
