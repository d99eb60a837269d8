{{/* What the operator does with the API, verb by verb. It may create Secrets, and never read one of a kernel unless readKeys says so. */}}
{{- define "kubernel.operatorRules" -}}
- apiGroups: [kubernel.dev]
  resources: [kernelinstances]
  verbs: [list, watch, delete]
- apiGroups: [kubernel.dev]
  resources: [kernelinstances/status]
  verbs: [patch]
- apiGroups: [kubernel.dev]
  resources: [kernelpools]
  verbs: [list, watch]
- apiGroups: [kubernel.dev]
  resources: [kernelpools/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [create, get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  # Who changes the owner of an object must be allowed to delete it.
  verbs: [create, get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create{{ if .Values.operator.readKeys }}, get{{ end }}]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, list, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [list, watch, delete]
{{- end -}}

{{/* What a notebook server does with the API. */}}
{{- define "kubernel.clientRules" -}}
- apiGroups: [kubernel.dev]
  resources: [kernelinstances]
  verbs: [create, get, list, watch, patch, delete]
# What to seal the keys of kernels to, so that a pool's pod can be told them.
- apiGroups: [kubernel.dev]
  resources: [kernelpools]
  verbs: [list]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create{{ if .Values.clientRole.readKeys }}, get{{ end }}]
# Why a kernel that is gone did not start: kubernel events.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create, patch, delete]
{{- if .Values.clientRole.portForward }}
# A port-forward is a POST, and a GET when it comes over a websocket.
- apiGroups: [""]
  resources: [pods/portforward]
  verbs: [create, get]
{{- end }}
{{- end -}}

{{/* Who they are, as subjects of a binding. */}}
{{- define "kubernel.clientSubjects" -}}
{{- range .Values.clientRole.subjects }}
- kind: {{ .kind }}
  {{- if eq .kind "ServiceAccount" }}
  namespace: {{ .namespace }}
  {{- else }}
  apiGroup: rbac.authorization.k8s.io
  {{- end }}
  name: {{ .name | quote }}
{{- end }}
{{- end -}}
