"""Runbooks and recipes: what they tell people to run, and what of."""

import re
import subprocess

import pytest
import yaml

from conftest import ROOT, SERVICES, needs_programs, of_kind, programs, render

TEXTS = sorted((ROOT / "k8s").rglob("*.md")) + [ROOT / "charts" / "mahnwerk" / "README.md"]
RUNBOOKS = sorted((ROOT / "k8s" / "runbooks").glob("*.md"))
# Stands for anything that a person fills in.
FILLED_IN = {"SERVICE": "dunning", "FEED": "registry", "DATE": "2026-01-31"}


def commands_in(text):
    """What is run in code blocks and in spans of code."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for block in [*blocks, *spans] for line in block.splitlines()]


def ours():
    """The commands of our program, complete, without what the shell adds."""
    for path in TEXTS:
        for line in commands_in(path.read_text()):
            for command in re.findall(r"(?:^|; |do )mahnwerk ([^;#|]+)", line.strip()):
                yield path.name, command.strip().replace('"$creditor"', "CREDITOR")


@needs_programs
def test_commands_are_complete_and_of_the_program():
    nowhere = {f"MAHNWERK_{service.upper()}": "http://127.0.0.1:1" for service in SERVICES}
    running = []
    for name, command in sorted(set(ours())):
        words = [FILLED_IN.get(word, word) for word in command.split()]
        program = subprocess.Popen([programs() / "mahnwerk", *words], env=nowhere, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        running.append((name, command, program))
    assert len(running) > 20
    for name, command, program in running:
        _, said = program.communicate(timeout=60)
        # 2: wrong arguments; where the services are not, everything else fails later.
        assert program.returncode in (5, 7), (name, command, said.decode())


def test_runbooks_say_how_the_program_reaches_the_services():
    for path in RUNBOOKS:
        if "`mahnwerk " in path.read_text():
            assert "(../operating.md) says how" in path.read_text(), path.name


def test_logs_of_several_pods_are_not_cut_at_ten_lines():
    for path in TEXTS:
        for line in commands_in(path.read_text()):
            if "kubectl logs -l" in line:
                assert "--tail=" in line, (path.name, line)


@pytest.fixture(scope="module")
def there_is():
    """Names in the production values and in the files beside them, by kind."""
    documents = list(render("mahnwerk", "production"))
    for path in (ROOT / "k8s").rglob("*.yaml"):
        if not path.name.startswith("values-"):
            documents += [each for each in yaml.safe_load_all(path.read_text()) if "metadata" in each]
    names = {}
    for each in documents:
        names.setdefault(each["kind"].lower(), set()).add(each["metadata"]["name"])
    # What operators make of them, and what the texts themselves have made first.
    secrets = {each["spec"]["secretName"] for each in of_kind(documents, "Certificate")}
    clusters = {each["metadata"]["name"] for each in of_kind(documents, "Cluster") if "instances" in each["spec"]}
    names["secret"] = secrets | clusters | {f"{name}-app" for name in clusters} | {f"{name}-ca" for name in clusters}
    names["configmap"] |= {"mahnwerk-roots"}
    names["cluster"] = clusters
    names["svc"] = names["service"]
    return names


def named_in(text):
    """Objects that commands name, as (kind, name): after the kind, or as its tools know them."""
    kinds = "deployment|job|svc|secret|configmap|certificate|cluster|objectstore"
    for line in commands_in(text):
        if "create" in line:
            continue
        yield from re.findall(rf"\b({kinds})[ /]([A-Za-z$][-\w$]*)", line)
        yield from (("certificate", name) for name in re.findall(r"cmctl renew (\S+)", line))
        yield from (("cluster", name) for name in re.findall(r"kubectl cnpg (?:psql|status|backup) (\S+)", line))


def test_objects_that_commands_name_exist(there_is):
    found = [(path.name, kind, name) for path in TEXTS for kind, name in named_in(path.read_text())]
    assert len(found) > 20
    for path, kind, name in found:
        # A new one, of the restore.
        if name.startswith("dunning-db-2"):
            continue
        for service in SERVICES:
            filled = re.sub(r"SERVICE|\$name", service, name).replace("RELEASE", "mahnwerk")
            assert filled in there_is[kind], (path, kind, name)


def test_links_lead_somewhere():
    for path in TEXTS:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            assert link.startswith("http") or (path.parent / link).exists(), (path.name, link)


def test_helm_waits_longer_than_migrations_may_take():
    values = yaml.safe_load((ROOT / "charts" / "dunning" / "values.yaml").read_text())
    texts = [ROOT / "charts" / "mahnwerk" / "README.md", ROOT / "k8s" / "values-production.yaml"]
    for path in texts:
        [minutes] = set(re.findall(r"--timeout[ =](\d+)m", path.read_text()))
        assert int(minutes) * 60 > values["migrations"]["activeDeadlineSeconds"], path.name
