{{/* Policies belong to the cluster: only where the operator does, too. */}}
{{- define "kubernel.hasPolicies" -}}
{{- if and .Values.policies.enabled (not .Values.watchNamespaces) -}}
true
{{- end -}}
{{- end -}}

{{/* Condition for namespaces that this operator leaves alone: another one looks after them, with templates of its own. */}}
{{- define "kubernel.policyConditions" -}}
{{- range $index, $glob := .Values.ignoreNamespaces }}
- name: not-ignored-{{ $index }}
  expression: {{ printf "!request.namespace.matches('^%s$')" (replace "?" "." (replace "*" ".*" $glob)) | quote }}
{{- end }}
{{- end -}}

{{/* Binds a policy to the whole cluster. Argument: a dict of root and name. */}}
{{- define "kubernel.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  {{- include "kubernel.metadata" (dict "root" .root) | nindent 2 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}

{{/* CEL: whether a text fits one of some patterns, in which * stands for any text. Argument: a dict of patterns and name. */}}
{{- define "kubernel.celFits" -}}
{{- $fits := list -}}
{{- range .patterns -}}
{{- $fits = append $fits (printf "%s.matches('^%s$')" $.name (replace "*" ".*" (replace "." "[.]" .))) -}}
{{- end -}}
{{- join " || " $fits | default "false" -}}
{{- end -}}

{{/*
CEL: whether an update leaves a field of the spec as it was. Bounds that became narrower must not keep living kernels from
being restarted, paused or taken up by their next server. Argument: the field's path.
*/}}
{{- define "kubernel.celUnchanged" -}}
{{- $has := list -}}
{{- $path := "spec" -}}
{{- range splitList "." . -}}
{{- $path = printf "%s.%s" $path . -}}
{{- $has = append $has (printf "has(oldObject.%s) && has(object.%s)" $path $path) -}}
{{- end -}}
(request.operation == 'UPDATE' && {{ join " && " $has }} && object.{{ $path }} == oldObject.{{ $path }})
{{- end -}}
