{{/* The labels of kernel pods: kubernel_api.constants, LABEL_MANAGED_BY and LABEL_COMPONENT. */}}
{{- define "kubernel.kernelLabels" -}}
app.kubernetes.io/managed-by: kubernel
app.kubernetes.io/component: kernel
{{- end -}}

{{/*
Who may reach kernels, as peers of a NetworkPolicy: those that are named, and the pods of the namespaces whose
ServiceAccounts may start kernels. Where neither is known, every pod. Never, unless it is named, another kernel.
*/}}
{{- define "kubernel.kernelPeers" -}}
{{- $named := .Values.networkPolicy.kernels.allowFrom -}}
{{- $namespaces := list -}}
{{- range .Values.clientRole.subjects -}}
{{- if eq .kind "ServiceAccount" -}}{{- $namespaces = append $namespaces .namespace -}}{{- end -}}
{{- end -}}
{{- with $named }}
{{ toYaml . }}
{{- end }}
{{- if or $namespaces (not $named) }}
- namespaceSelector:
    {{- if $namespaces }}
    matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ $namespaces | uniq | toJson }}}
    {{- else }} {}
    {{- end }}
  podSelector:
    matchExpressions:
      - {key: app.kubernetes.io/managed-by, operator: NotIn, values: [kubernel]}
{{- end }}
{{- end -}}
