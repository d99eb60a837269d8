{{/* Names. The longest suffix is 19 characters, so a prefix of 44 keeps every name within 63. What is cut off lives on in a hash. */}}

{{- define "kubernel.shortened" -}}
{{- if gt (len .) 44 -}}
{{- printf "%s-%s" (. | trunc 35 | trimSuffix "-") (. | sha256sum | trunc 8) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "kubernel.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- include "kubernel.shortened" .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- include "kubernel.shortened" .Release.Name -}}
{{- else -}}
{{- include "kubernel.shortened" (printf "%s-%s" .Release.Name $name) -}}
{{- end -}}
{{- end -}}

{{/* The prefix of cluster-scoped names: two releases of one name in two namespaces do not meet. */}}
{{- define "kubernel.clusterName" -}}
{{- include "kubernel.shortened" (printf "%s-%s" (include "kubernel.fullname" .) .Release.Namespace) -}}
{{- end -}}

{{- define "kubernel.serviceAccountName" -}}
{{- default (include "kubernel.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "kubernel.operatorSecretName" -}}
{{- default (printf "%s-token" (include "kubernel.fullname" .)) .Values.operatorSecret.existingName -}}
{{- end -}}

{{- define "kubernel.leaseName" -}}
{{- printf "%s-leader" (include "kubernel.fullname" .) -}}
{{- end -}}

{{/* Running kernels know this name: they find an operator that is installed again by it. */}}
{{- define "kubernel.callbackServiceName" -}}
{{- printf "%s-callbacks" (include "kubernel.fullname" .) -}}
{{- end -}}

{{- define "kubernel.callbackURL" -}}
{{- default (printf "http://%s.%s.svc:%v/v1/callback" (include "kubernel.callbackServiceName" .) .Release.Namespace .Values.callback.port) .Values.callback.url -}}
{{- end -}}

{{/*
Where NOTES.txt and helm test start their kernel. Not beside the operator: whoever reads Secrets there reads its key.
*/}}
{{- define "kubernel.exampleNamespace" -}}
{{- first (concat .Values.clientRole.namespaces .Values.watchNamespaces (list "default")) -}}
{{- end -}}
