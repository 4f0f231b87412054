"""The compose file and the image's recipe, as far as they can be read without a Docker engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import kubernetes_validate
import pytest
import yaml

from leyden_store.connection import FINAL_BY_DAY

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]

each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_an_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.match(r"\d+\.\d+", tag)


@each_service
def test_a_service_is_watched_bounded_and_starts_again(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"].get("disable") or service["healthcheck"]["test"][0] == "CMD"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"
    assert service["volumes"]


@each_service
def test_a_port_is_this_machine_s_unless_asked_otherwise(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("${LEYDEN_BIND:-127.0.0.1}:")


@each_service
def test_a_mounted_file_is_there(name: str) -> None:
    for cluster in ("alone", "main"):
        for mount in SERVICES[name]["volumes"]:
            source = re.sub(r"\$\{LEYDEN_CLUSTER:-alone\}", cluster, mount).partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_a_cluster_s_files_name_its_services() -> None:
    node = ElementTree.parse(ROOT / "deploy/clickhouse/node-main.xml").getroot()
    shards = [host.text for host in node.iterfind("remote_servers/main/shard/replica/host")]
    assert shards == [name for name in SERVICES if name.startswith("clickhouse")]
    assert [SERVICES[name]["environment"]["LEYDEN_SHARD"] for name in shards if name] == ["1", "2"]
    keeper = ElementTree.parse(ROOT / "deploy/clickhouse/keeper.xml").getroot()
    assert node.findtext("zookeeper/node/host") == keeper.findtext(".//raft_configuration/server/hostname") == "keeper"
    assert node.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")
    asked = {one.get("from_env") for one in node.iter() if one.get("from_env")}
    assert asked <= SERVICES["clickhouse-2"]["environment"].keys()
    assert SERVICES["clickhouse-2"]["profiles"] == SERVICES["keeper"]["profiles"] == ["cluster"]
    assert {one.partition(":")[0] for one in SERVICES["clickhouse-2"]["volumes"]} >= {"clickhouse-2"}


def test_no_password_is_in_the_open() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "TOKEN" in name:
                assert re.fullmatch(r"\$\{\w+:\?set \w+ in \.env\}", value), name
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    offered = dict(re.findall(r"(?m)^(\w+)=(.*)$", (ROOT / ".env.example").read_text()))
    assert asked == set(offered)
    assert {value for name, value in offered.items() if name != "LEYDEN_BIND"} == {""}


def test_grafana_lets_nobody_in_without_a_login() -> None:
    assert SERVICES["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_grafana_s_data_source_is_told_what_it_asks_for() -> None:
    source = (ROOT / "dashboards/grafana/provisioning/datasources/leyden-server.yaml").read_text()
    asked = set(re.findall(r"\$(LEYDEN_\w+)", source))
    assert asked <= SERVICES["grafana"]["environment"].keys()


def test_grafana_s_clickhouse_user_can_only_read() -> None:
    read = ElementTree.parse(ROOT / "deploy/clickhouse/reader.xml").getroot()
    assert read.findtext("profiles/leyden_reader/readonly") == "1"
    for name, value in FINAL_BY_DAY.items():  # a page reads a server as fast as the gateway
        assert read.findtext(f"profiles/leyden_reader/{name}") == str(value)
    assert [grant.text for grant in read.iterfind("users/leyden_reader/grants/query")] == ["GRANT SELECT ON leyden.*"]
    name = SERVICES["grafana"]["environment"]["LEYDEN_CLICKHOUSE_USER"]
    assert read.find(f"users/{name}/password[@from_env='LEYDEN_READER_PASSWORD']") is not None
    ElementTree.parse(ROOT / "deploy/clickhouse/limits.xml")


def test_the_image_runs_as_nobody_special_and_copies_what_it_is_sent() -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    assert recipe.count("\nFROM ") + recipe.startswith("FROM ") == 2
    assert recipe.rindex("USER leyden") > recipe.rindex("RUN ")
    sent = set(re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text()))
    copied = {name for line in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", recipe) for name in line.split()}
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_the_gateway_hands_on_to_the_collector_by_trace_id() -> None:
    config = yaml.safe_load((ROOT / "deploy/otel-collector/gateway.yaml").read_text())
    (exporter,) = config["exporters"].values()
    assert exporter["routing_key"] == "traceID"
    assert exporter["resolver"]["dns"]["hostname"] in SERVICES
    for pipeline in config["service"]["pipelines"].values():
        assert pipeline == {"receivers": list(config["receivers"]), "exporters": list(config["exporters"])}
    (mount,) = SERVICES["gateway"]["volumes"]
    assert f"--config={mount.split(':')[1]}" in SERVICES["gateway"]["command"]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_own_schema_takes_its_files_to_the_letter(version: str) -> None:
    for made in yaml.safe_load_all((ROOT / "deploy/kubernetes/collector.yaml").read_text()):
        kubernetes_validate.validate(made, version, strict=True)


def test_on_kubernetes_the_collector_is_bounded_unprivileged_and_keeps_its_disk() -> None:
    folder = ROOT / "deploy/kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert all((folder / name).is_file() for name in listed["resources"])
    made = {one["kind"]: one for one in yaml.safe_load_all((folder / "collector.yaml").read_text())}
    pod = made["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"]["limits"]["memory"]
    assert {env["name"] for env in container["env"]} == {"LEYDEN_STORE", "LEYDEN_TOKEN", "LEYDEN_OPEN_INGEST"}
    claims = [claim["metadata"]["name"] for claim in made["StatefulSet"]["spec"]["volumeClaimTemplates"]]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert claims == ["spool"]
    assert mounts["spool"] == "/var/lib/leyden"
    assert {port["containerPort"] for port in container["ports"]} == {4317, 4318}
    image = SERVICES["collector"]["image"].split(":")
    assert [container["image"], listed["images"][0]["newTag"]] == image
