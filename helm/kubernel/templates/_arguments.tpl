{{/*
The operator's command line: a YAML list. Options whose value is empty keep the operator's own default, except for
security contexts: empty means none, which must be said.
*/}}
{{- define "kubernel.operatorArgs" -}}
{{- $kernel := .Values.kernelDefaults -}}
{{- $options := list
  (dict "name" "watch-namespaces" "value" (join "," .Values.watchNamespaces))
  (dict "name" "ignore-namespaces" "value" (join "," .Values.ignoreNamespaces))
  (dict "name" "default-image" "value" (include "kubernel.kernelImage" .))
  (dict "name" "image-pull-policy" "value" $kernel.imagePullPolicy)
  (dict "name" "image-pull-secrets" "value" (concat .Values.global.imagePullSecrets $kernel.imagePullSecrets | uniq | join ","))
  (dict "name" "default-resources" "value" $kernel.resources)
  (dict "name" "startup-cpu" "value" $kernel.startupCPU)
  (dict "name" "memory-max" "value" $kernel.memoryMax)
  (dict "name" "node-selector" "value" $kernel.nodeSelector)
  (dict "name" "tolerations" "value" $kernel.tolerations)
  (dict "name" "runtime-class-name" "value" $kernel.runtimeClassName)
  (dict "name" "priority-class-name" "value" $kernel.priorityClassName)
  (dict "name" "kernel-bounds" "value" .Values.kernelBounds)
  (dict "name" "fork" "value" $kernel.fork)
  (dict "name" "preload" "value" (join "," $kernel.preload))
  (dict "name" "max-orphan-seconds" "value" $kernel.maxOrphanSeconds)
  (dict "name" "pod-security-context" "value" (default dict $kernel.podSecurityContext) "evenEmpty" true)
  (dict "name" "security-context" "value" (default dict $kernel.securityContext) "evenEmpty" true)
  (dict "name" "callback-url" "value" (include "kubernel.callbackURL" .))
  (dict "name" "callback-port" "value" 8443)
  (dict "name" "health-port" "value" 8081)
  (dict "name" "metrics-port" "value" .Values.metrics.port)
  (dict "name" "operator-secret-name" "value" (include "kubernel.operatorSecretName" .))
  (dict "name" "operator-namespace" "value" .Release.Namespace)
  (dict "name" "lease-name" "value" (include "kubernel.leaseName" .))
  (dict "name" "identity" "value" "$(POD_NAME)")
  (dict "name" "callback-service" "value" (include "kubernel.callbackServiceName" .))
  (dict "name" "pod-ips" "value" "$(POD_IPS)")
  (dict "name" "workers" "value" .Values.operator.workers)
  (dict "name" "max-starting" "value" .Values.operator.maxStarting "evenEmpty" true)
  (dict "name" "read-keys" "value" (ternary "Always" "" .Values.operator.readKeys))
  (dict "name" "sweep-interval-seconds" "value" .Values.operator.sweepIntervalSeconds)
  (dict "name" "log-format" "value" .Values.operator.logFormat)
  (dict "name" "log-level" "value" .Values.operator.logLevel)
-}}
{{- range $options }}
{{- if or .value .evenEmpty }}
{{- $text := .value }}
{{- if or (kindIs "map" .value) (kindIs "slice" .value) }}{{ $text = toJson .value }}{{ end }}
- {{ printf "--%s=%v" .name $text | quote }}
{{- end }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
