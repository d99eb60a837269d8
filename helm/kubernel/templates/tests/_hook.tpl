{{/* Annotations of what only `helm test` makes; it leaves nothing. Argument: the weight. */}}
{{- define "kubernel.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Metadata of the test's pod: not the operator's labels, or its Services would select it. */}}
{{- define "kubernel.testMetadata" -}}
labels:
  {{- merge (dict "app.kubernetes.io/component" "test") (include "kubernel.labels" . | fromYaml) .Values.commonLabels | toYaml | nindent 2 }}
annotations:
  {{- include "kubernel.testHook" "0" | nindent 2 }}
{{- end -}}
