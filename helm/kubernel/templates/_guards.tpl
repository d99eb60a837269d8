{{/* What no schema can see. Included once, by the Deployment. */}}
{{- define "kubernel.guards" -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: serviceAccount.name must name the ServiceAccount to use" -}}
{{- end -}}
{{- if and .Values.watchNamespaces .Values.ignoreNamespaces -}}
{{- fail "watchNamespaces and ignoreNamespaces exclude each other: name the namespaces to watch, or watch all but some" -}}
{{- end -}}
{{- if and .Values.clientRole.subjects (not .Values.clientRole.namespaces) (not .Values.clientRole.clusterRole) -}}
{{- fail "clientRole.subjects needs clientRole.namespaces: the namespaces where their kernels run; or clientRole.clusterRole, which somebody else binds" -}}
{{- end -}}
{{- if has .Release.Namespace .Values.clientRole.namespaces -}}
{{- fail (printf "clientRole.namespaces has the release's own namespace %s: whoever may read Secrets there reads the operator's key, which speaks for every kernel of the cluster" .Release.Namespace) -}}
{{- end -}}
{{- range .Values.clientRole.namespaces -}}
{{- if and $.Values.watchNamespaces (not (has . $.Values.watchNamespaces)) -}}
{{- fail (printf "clientRole.namespaces has %s, which is not in watchNamespaces: no operator would look after kernels there" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.templates (not (.Capabilities.APIVersions.Has "kubernel.dev/v1beta1/KernelTemplate")) -}}
{{- fail "templates need the CRD of KernelTemplates, which this cluster does not have yet: install without templates and add them with helm upgrade, or kubectl apply -f crds/ first and give helm --take-ownership" -}}
{{- end -}}
{{- if and .Values.pools (not (.Capabilities.APIVersions.Has "kubernel.dev/v1beta1/KernelPool")) -}}
{{- fail "pools need the CRD of KernelPools, which this cluster does not have yet: install without pools and add them with helm upgrade, or kubectl apply -f crds/ first and give helm --take-ownership" -}}
{{- end -}}
{{- if has (int .Values.metrics.port) (list 8081 8443) -}}
{{- fail (printf "metrics.port %d is taken by the operator itself: choose another one than 8081 and 8443" (int .Values.metrics.port)) -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.kernels.allowFrom (not (concat .Values.clientRole.namespaces .Values.networkPolicy.kernels.namespaces)) -}}
{{- fail "networkPolicy.kernels.allowFrom needs clientRole.namespaces or networkPolicy.kernels.namespaces: the namespaces where the kernels run" -}}
{{- end -}}
{{- if and .Values.callback.url (not (hasSuffix "/v1/callback" .Values.callback.url)) -}}
{{- fail (printf "callback.url must end in /v1/callback, not %q" .Values.callback.url) -}}
{{- end -}}
{{- $prometheus := .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not $prometheus) -}}
{{- fail "metrics.serviceMonitor.enabled needs the Prometheus operator: this cluster has no monitoring.coreos.com/v1" -}}
{{- end -}}
{{- if and .Values.metrics.prometheusRule.enabled (not $prometheus) -}}
{{- fail "metrics.prometheusRule.enabled needs the Prometheus operator: this cluster has no monitoring.coreos.com/v1" -}}
{{- end -}}
{{- end -}}
