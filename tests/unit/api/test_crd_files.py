"""The texts of the CRD files."""

import re

import yaml

from kubernel_api.crd import custom_resource_definition
from kubernel_api.crd_files import helm_text, kubectl_text

SMALL = {
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {"description": "Braces {{ .Values.secret }} and {one}.", "list": ["a"]},
}


def test_kubectl_text_is_the_document() -> None:
    assert yaml.safe_load(kubectl_text(custom_resource_definition())) == custom_resource_definition()


def test_client_side_apply_can_remember_it() -> None:
    """kubectl keeps the last applied object in an annotation, of which there may be 256 KiB."""
    assert len(kubectl_text(custom_resource_definition()).encode()) < 64 * 1024


def test_the_same_again_is_the_same_text() -> None:
    assert kubectl_text(custom_resource_definition()) == kubectl_text(custom_resource_definition())


def test_long_texts_are_folded_and_short_ones_are_plain() -> None:
    document = {"short": "Two words.", "long": "word " * 40 + "end.", "none": "None", "path": "x" * 200}
    assert kubectl_text(document).splitlines()[1:] == [
        "short: Two words.",
        "long: >-",
        "  " + ("word " * 22).strip(),
        "  " + ("word " * 18) + "end.",
        "none: None",
        "path: " + "x" * 200,
    ]


def test_helm_text() -> None:
    assert helm_text(SMALL).splitlines()[1:] == [
        "{{- if .Values.crds.install }}",
        "kind: CustomResourceDefinition",
        "metadata:",
        "  name: things.example.com",
        "  {{- if .Values.crds.keep }}",
        "  annotations:",
        "    helm.sh/resource-policy: keep",
        "  {{- end }}",
        "spec:",
        """  description: Braces {{ "{{" }} .Values.secret {{ "}}" }} and {one}.""",
        "  list:",
        "    - a",
        "{{- end }}",
    ]


def test_only_kubectl_users_have_no_policy_in_their_copy() -> None:
    assert "resource-policy" not in kubectl_text(custom_resource_definition())


def test_both_copies_are_the_same_crd() -> None:
    rendered = re.sub(r"^ *\{\{-.*\}\}\n", "", helm_text(custom_resource_definition()), flags=re.MULTILINE)
    annotations = {"annotations": {"helm.sh/resource-policy": "keep"}}
    expected = custom_resource_definition()
    expected["metadata"] |= annotations
    assert yaml.safe_load(rendered) == expected
