"""The pod network's part on the host: a bridge, a route for Services, and a rule that keeps pods inside."""

import json
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run, succeeds
from cluster.layout import BRIDGE, GATEWAY, GATEWAY_6, POD_CIDR, POD_CIDR_6, SERVICE_CIDR, SERVICE_CIDR_6

TABLE = "kubernel"
# A bridge without an address of its own takes the lowest of what is plugged into it, so it would change as pods come
# and go, and a pod that has learned the old one could not reach this machine for up to a minute. Locally administered.
BRIDGE_MAC = "0a:58:0a:f4:00:01"
KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
SYSCTL = Path("/proc/sys/net")

# Pods reach each other and this machine, and nothing else: a test cluster has no business outside, and without address
# translation the answers would not come back anyway. `reject` tells them at once. The table is replaced as a whole.
RULES = f"""\
table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{BRIDGE}" oifname != "{BRIDGE}" reject
    }}
}}
"""


@dataclass(frozen=True)
class Link:
    """A network link and the bridge it is plugged into, if any."""

    name: str
    master: str | None


def ensure(*, dual: bool = False) -> None:
    """Makes what is missing, for IPv6, too, where it is ``dual``; safe to repeat while the cluster runs."""
    if BRIDGE not in {link.name for link in list_links()}:
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "link", "set", BRIDGE, "address", BRIDGE_MAC])
    families = [(GATEWAY, POD_CIDR, SERVICE_CIDR, "ipv4/ip_forward")]
    if dual:
        families.append((GATEWAY_6, POD_CIDR_6, SERVICE_CIDR_6, "ipv6/conf/all/forwarding"))
    run(["ip", "link", "set", BRIDGE, "up"])
    for gateway, pods, services, forwarding in families:
        unique = ["nodad"] if ":" in gateway else []  # nobody else has it, and kubelets bind to it at once
        run(["ip", "address", "replace", f"{gateway}/{pods.partition('/')[2]}", "dev", BRIDGE, *unique])
        # A Service address that kube-proxy has not programmed yet must not leave the machine by its default route.
        run(["ip", "route", "replace", services, "dev", BRIDGE])
        _set_sysctl(forwarding)
    # Answers between two pods of one bridge must pass the rules that undo the Service's address translation.
    _set_sysctl("bridge/bridge-nf-call-iptables")
    run(["nft", "--file", "-"], stdin=RULES)


def remove() -> None:
    """Removes links, routes and tables, those of kube-proxy included."""
    for name in ours(list_links()):
        # A link may vanish between the listing and here: the kernel tears down a dead pod's network on its own.
        succeeds(["ip", "link", "delete", name])
    for family, table in (("inet", TABLE), *KUBE_PROXY_TABLES):
        succeeds(["nft", "delete", "table", family, table])


def ours(links: list[Link]) -> list[str]:
    """Returns the names of the bridge and of what is plugged into it, the bridge last."""
    plugged = [link.name for link in links if link.master == BRIDGE]
    return plugged + [link.name for link in links if link.name == BRIDGE]


def list_links() -> list[Link]:
    """Returns all network links of this machine."""
    listing = json.loads(run(["ip", "-json", "link", "show"]))
    return [Link(str(link["ifname"]), link.get("master")) for link in listing]


def _set_sysctl(name: str) -> None:
    file = SYSCTL / name
    if not file.exists():  # br_netfilter is a module on most machines, and loaded by its first user
        succeeds(["modprobe", "br_netfilter"])
    if file.read_text().strip() != "1":
        file.write_text("1")
