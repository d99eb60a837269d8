"""Keys and certificates of the native cluster, made once with openssl."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from cluster.commands import run
from cluster.layout import API_SERVICE, GATEWAY, NODE, Layout

DAYS = "3650"  # the cluster is thrown away long before
CLIENT = "extendedKeyUsage=clientAuth"
DIGEST = "made-from"


@dataclass(frozen=True)
class Certificate:
    """A key and certificate signed by the cluster's authority; Kubernetes reads user and groups from the subject."""

    name: str
    subject: str
    extension: str = CLIENT


def server_names(names: tuple[str, ...], addresses: tuple[str, ...]) -> str:
    """Returns the certificate extension of a server with these names and addresses."""
    words = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    return "subjectAltName=" + ",".join(words)


CERTIFICATES = (
    Certificate(
        "apiserver",
        "/CN=kube-apiserver",
        server_names(
            (
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ),
            ("127.0.0.1", GATEWAY, API_SERVICE),
        ),
    ),
    Certificate("kubelet-server", f"/CN={NODE}", server_names((NODE,), ("127.0.0.1", GATEWAY))),
    Certificate("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    Certificate("admin", "/O=system:masters/CN=admin"),
    Certificate("controller-manager", "/CN=system:kube-controller-manager"),
    Certificate("scheduler", "/CN=system:kube-scheduler"),
    Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE}"),
    Certificate("proxy", "/CN=system:kube-proxy"),
    Certificate("coredns", "/O=system:masters/CN=coredns"),
)


def ensure(layout: Layout) -> None:
    """Makes all keys and certificates, unless the folder already holds exactly these.

    The folder appears complete or not at all: a run that is cut short leaves only `pki.new`, which the next one drops.
    """
    digest = hashlib.sha256(repr(CERTIFICATES).encode()).hexdigest()
    if _made_from(layout.pki) == digest:
        return
    new = layout.pki.with_suffix(".new")
    for folder in (new, layout.pki):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(mode=0o700, parents=True)
    _make_authority(new)
    _make_service_account_keys(new)
    for certificate in CERTIFICATES:
        _make_certificate(new, certificate)
    (new / DIGEST).write_text(digest)
    new.rename(layout.pki)


def _made_from(folder: Path) -> str | None:
    try:
        return (folder / DIGEST).read_text()
    except FileNotFoundError:
        return None


def _make_authority(folder: Path) -> None:
    subject = ("-subj", "/CN=kubernel-development-cluster")
    run(["openssl", "req", "-x509", *_new_key("ca"), "-out", "ca.crt", "-days", DAYS, *subject], cwd=folder)


def _make_service_account_keys(folder: Path) -> None:
    run(["openssl", "genrsa", "-out", "service-accounts.key", "2048"], cwd=folder)
    run(["openssl", "rsa", "-in", "service-accounts.key", "-pubout", "-out", "service-accounts.pub"], cwd=folder)


def _make_certificate(folder: Path, certificate: Certificate) -> None:
    name = certificate.name
    request, extension = f"{name}.csr", f"{name}.ext"
    (folder / extension).write_text(certificate.extension + "\n")
    run(["openssl", "req", *_new_key(name), "-out", request, "-subj", certificate.subject], cwd=folder)
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS, "-extfile", extension)
    run(["openssl", "x509", "-req", "-in", request, "-out", f"{name}.crt", *signing], cwd=folder)


def _new_key(name: str) -> tuple[str, ...]:
    """Elliptic curve keys: an RSA key each would cost seconds."""
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
